"""Face: detect, align, assess, embed, compare."""
