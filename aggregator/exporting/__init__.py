"""Results as files for others, as a signed policy allows."""
