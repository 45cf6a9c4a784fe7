"""FleetService, one class for each subject."""
