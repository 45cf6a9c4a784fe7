"""Cameras: the port and its drivers (picamera2, V4L2, replay)."""
