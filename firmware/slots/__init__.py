"""The two copies of the system on the card: which one starts, which one is being tried, which one failed."""
