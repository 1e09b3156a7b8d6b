"""Questions put on top of a filled grid: explanations, sharper maps, layer maps, stop rules, and sampling for them."""
