"""QR cards and visit tokens: signed payloads, sheets to print, and reading them from the camera."""
