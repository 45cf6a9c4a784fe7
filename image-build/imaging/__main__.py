"""``python -m imaging``."""

from __future__ import annotations

from imaging.cli import main

if __name__ == "__main__":
    main()
