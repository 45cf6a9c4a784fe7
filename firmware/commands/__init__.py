"""One module for each `aidpost` command."""
