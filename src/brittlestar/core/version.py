"""The version, where everything may read it without importing the front door."""

VERSION = "0.1.0"
