"""Stands for PiDNG, with which picamera2 writes raw photographs: it has no wheels."""
