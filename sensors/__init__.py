"""Fingerprint reader, camera and GPIO board: ports, drivers and virtual devices."""
