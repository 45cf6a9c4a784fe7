"""The custodian's tool: makes a gallery's keys and wraps them for its appliances, on an offline machine."""
