"""Measures template protection: accuracy, linkability, and what an attacker gets back (ISO/IEC 30136)."""
