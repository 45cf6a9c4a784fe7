"""Sealed galleries: who may read one, how an entry is sealed and signed, and what a whole one hashes to."""
