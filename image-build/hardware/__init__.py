"""What an appliance is built of: wiring, parts and power, which `python -m hardware` draws and writes."""
