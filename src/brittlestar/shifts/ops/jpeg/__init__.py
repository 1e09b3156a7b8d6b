"""The round trip through JPEG."""
