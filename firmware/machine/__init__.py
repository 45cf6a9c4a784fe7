"""What the image's own services do as root, before and beside the appliance: `python -m firmware.machine`."""
