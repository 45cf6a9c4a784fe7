"""Tells people and other systems: alerts by webhook and mail, from a queue on the disk."""
