"""Synthetic fingerprints."""
