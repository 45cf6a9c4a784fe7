"""What the fleet's desk desires of this appliance, and how it is taken up: whole, or not at all."""
