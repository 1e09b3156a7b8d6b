"""Pure tensor functions that several shifts share; no keys, no fields."""
