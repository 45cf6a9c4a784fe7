"""What an appliance's keys are, whatever guards them: the key type, the port, and its faults."""
