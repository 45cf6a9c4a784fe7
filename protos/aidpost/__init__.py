"""Aidpost's public API: the messages and services of `aidpost.v1`."""
