"""Lists at the appliance: files read, checked against this site and day, approved by two, loaded whole."""
