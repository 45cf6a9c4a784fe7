"""What workers tell each other: that something waits for a device, and that a stream has to end."""
