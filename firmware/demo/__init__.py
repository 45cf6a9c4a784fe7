"""The demonstration: real parts, synthetic fingers, openly licensed faces."""
