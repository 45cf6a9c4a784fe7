"""Hollow libraries have the functions that others name, at the versions that they name, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from imaging.commands import run
from imaging.hollow import PREFIX, NotHollow, hollow
from imaging.toolbox import Toolbox

pytestmark = pytest.mark.skipif(
    shutil.which(f"{PREFIX}as") is None, reason="needs Debian's binutils-aarch64-linux-gnu"
)


class OnHost(Toolbox):
    """Runs the host's own tools, which are those of the toolbox."""

    def run(self, *argv: str | Path, cwd: Path = Path("/"), given: bytes | None = None) -> bytes:
        return run(argv, cwd=cwd, given=given)


TOOLS = OnHost(Path("/"), (), 0)


def library(path: Path, source: str, *words: str | Path) -> Path:
    """Make an arm64 library of this assembly."""
    (text := path.with_suffix(".s")).write_text(source)
    run([f"{PREFIX}as", "-o", path.with_suffix(".o"), text])
    run([f"{PREFIX}ld", "-shared", f"-soname={path.name}", "-o", path, path.with_suffix(".o"), *words])
    for left in (text, path.with_suffix(".o")):
        left.unlink()
    return path


def function(name: str, body: str = "bl other") -> str:
    """Return the assembly of a function that others can call."""
    return f".globl {name}\n.type {name}, %function\n{name}:\n    {body}\n    ret\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder where `user` is linked to `codec`, and that to `deep`, and `free` to nothing."""
    (place := tmp_path / "libs").mkdir()
    deep = library(place / "libdeep.so", function("other", "nop"))
    (script := tmp_path / "map").write_text("CODEC_1 { global: open_it; never_asked; table; local: *; };\n")
    data = ".data\n.globl table\n.type table, %object\n.size table, 8\ntable: .quad 1\n.text\n"
    source = data + function("open_it") + function("never_asked")
    codec = library(place / "libcodec.so", source, f"--version-script={script}", deep)
    library(place / "libuser.so", function("use", "bl open_it"), codec)
    library(place / "libfree.so", function("free_one", "nop"))
    return tmp_path


def symbols(path: Path) -> list[str]:
    """Return what the library offers, as `name@@VERSION`."""
    said = subprocess.check_output([f"{PREFIX}nm", "-D", "--defined-only", path], text=True)
    return [line.split()[-1] for line in said.splitlines() if " T " in line]


def test_it_offers_what_is_called_and_lets_go_of_what_it_was_linked_to(folder: Path) -> None:
    (work := folder / "work").mkdir()
    removed = hollow(folder, ["libs/libcodec*"], TOOLS, work)
    assert symbols(folder / "libs/libcodec.so") == ["open_it@@CODEC_1"]
    assert [path.name for path in removed] == ["libdeep.so"]
    assert (folder / "libs/libfree.so").exists()
    said = subprocess.check_output([f"{PREFIX}readelf", "-d", folder / "libs/libcodec.so"], text=True)
    assert "[libcodec.so]" in said
    assert "NEEDED" not in said


def test_data_that_others_read_cannot_be_hollow(folder: Path) -> None:
    (work := folder / "work").mkdir()
    libs = folder / "libs"
    library(libs / "libreader.so", ".data\n.globl here\nhere: .quad table\n", libs / "libcodec.so")
    with pytest.raises(NotHollow, match="table"):
        hollow(folder, ["libs/libcodec*"], TOOLS, work)


def test_a_pattern_that_finds_nothing_and_a_library_that_nobody_calls_are_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="libnone"):
        hollow(folder, ["libs/libnone*"], TOOLS, folder)
    with pytest.raises(NotHollow, match=r"libfree\.so"):
        hollow(folder, ["libs/libfree*"], TOOLS, folder)
