"""The GPIO board: light, buzzer, buttons and tamper switch, and the table of signals."""
