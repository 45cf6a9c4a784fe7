"""`python -m firmware` is the `aidpost` command."""

from firmware.cli import main

main()
