"""The appliance: composition root, capture session, store, uplink and commands."""
