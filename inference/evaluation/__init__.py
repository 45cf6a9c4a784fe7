"""Evaluation as ISO/IEC 19795-1 reports it, and the operating points that come out of it."""
