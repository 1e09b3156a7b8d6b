"""Snow laid over images."""
