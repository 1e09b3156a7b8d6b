"""What only draws: SVG elements and axes, charts, maps, colours. Nothing here reads a run or a template."""
