"""What both ends must agree on. Knows no I/O and no other package of Aidpost."""
