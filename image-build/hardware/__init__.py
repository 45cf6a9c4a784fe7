"""What an appliance is built of: wiring, parts and power, which `make hardware` draws and writes."""
