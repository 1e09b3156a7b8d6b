"""Random numbers from the samples' keys."""
