"""Finger: segment, assess, minutiae, cylinders, compare."""
