"""Fingerprint readers: the port, the ZhianTec protocol and its driver."""
