"""How the appliance is: measured now and then, and told in the telemetry lane."""
