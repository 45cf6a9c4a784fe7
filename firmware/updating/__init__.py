"""Replaces the software of an appliance from an image: written beside what runs, tried, and kept."""
