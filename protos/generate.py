"""Generate the Python code beside the .proto files, or compare it with what is committed.

Run as ``python -m protos.generate`` (``--check`` compares and exits 1 with the names of stale files).
"""

from __future__ import annotations

import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

PROTOS = Path(__file__).parent
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(out: Path) -> None:
    """Write the generated modules below `out`; raises SystemExit when protoc fails."""
    scripts = Path(sysconfig.get_path("scripts"))
    sources = sorted(str(p.relative_to(PROTOS)) for p in PROTOS.glob("aidpost/**/*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
            f"-I{PROTOS}",
            f"-I{resources.files('grpc_tools') / '_proto'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *sources,
        ]
    )
    if code != 0:
        raise SystemExit(code)
    services = {p.stem for p in PROTOS.glob("aidpost/**/*.proto") if "\nservice " in p.read_text()}
    for made in out.rglob("*_pb2_grpc.py*"):
        # protoc writes an empty module for a file without services
        if made.name.split("_pb2_grpc")[0] not in services:
            made.unlink()


def stale(fresh: Path) -> list[str]:
    """Return the paths that differ between `fresh` and the committed code."""
    names = {
        str(p.relative_to(root))
        for root in (fresh, PROTOS)
        for p in root.rglob("*")
        if p.name.endswith(SUFFIXES)
    }
    return sorted(n for n in names if _read(fresh / n) != _read(PROTOS / n))


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def main() -> None:
    """Generate, or with --check compare."""
    if "--check" not in sys.argv[1:]:
        generate(PROTOS)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        if differing := stale(Path(folder)):
            sys.exit("generated code is stale, run `make protos`: " + ", ".join(differing))


if __name__ == "__main__":
    main()
