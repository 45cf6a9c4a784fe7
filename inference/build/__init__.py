"""The reproducible build of the models (development only)."""
