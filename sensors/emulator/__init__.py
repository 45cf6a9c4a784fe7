"""A ZhianTec fingerprint sensor on a pseudo-terminal."""
