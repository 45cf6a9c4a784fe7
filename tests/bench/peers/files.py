"""Where the files of an installed package lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_file(package: str, name: str) -> Path:
    """Return a file of a package without importing it: some import what is gone from newer Pythons."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{package} is not installed here; `make bench` sets its environment up")
    return Path(spec.origin).parent / name
