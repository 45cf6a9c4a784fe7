"""The day at an appliance: its opening, its close, and the report of what was done."""
