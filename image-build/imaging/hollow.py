"""Puts hollow libraries in place of those whose functions nothing calls, as FFmpeg's in OpenCV's wheel.

A library that another one is linked to must be there when that one is loaded, with each function that it
names. A hollow one has their names and nothing else: every function returns 0. It takes 30 kB where
FFmpeg, with what only it needs, takes 35 MB, which are mapped and relocated at each start besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from imaging.toolbox import Toolbox

PREFIX: Final = "aarch64-linux-gnu-"
_FUNCTION: Final = """\
.globl {symbol}
.type {symbol}, %function
{symbol}:
    mov x0, #0
    ret
"""


class NotHollow(Exception):
    """A library cannot be replaced; the message says which and why."""


def hollow(folder: Path, patterns: Iterable[str], toolbox: Toolbox, work: Path) -> list[Path]:
    """Replace the libraries that match below `folder`, and remove those that then nobody is linked to.

    work: an empty folder that the toolbox sees. Returns what was removed. Raises FileNotFoundError where a
    pattern finds none, NotHollow, CommandFailed.
    """
    chosen: list[Path] = []
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if not found:
            raise FileNotFoundError(f"[wheels] hollow: {pattern}")
        chosen += found
    places = {path.parent for path in chosen}
    needed_before = _needed(_libraries(folder), toolbox)
    users = [path for path in _libraries(folder) if path not in chosen]
    wanted = _undefined(users, toolbox)
    for path in chosen:
        _replace(path, wanted, toolbox, work)
    removed: list[Path] = []
    # What a hollow library was linked to may itself have been linked to others.
    while True:
        needed = _needed(_libraries(folder), toolbox)
        gone = [
            path
            for place in sorted(places)
            for path in sorted(place.iterdir())
            if path.name in needed_before and path.name not in needed
        ]
        if not gone:
            return removed
        for path in gone:
            path.unlink()
        removed += gone


def _libraries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.so*") if path.is_file() and not path.is_symlink())


def _needed(libraries: Sequence[Path], toolbox: Toolbox) -> set[str]:
    """Return the names of what these are linked to."""
    said = toolbox.run(f"{PREFIX}readelf", "--dynamic", *libraries).decode()
    lines = (line for line in said.splitlines() if "(NEEDED)" in line)
    return {line.split("[", 1)[1].rstrip("]") for line in lines}


def _undefined(libraries: Sequence[Path], toolbox: Toolbox) -> set[str]:
    """Return what these take from others, as `name` or `name@VERSION`."""
    said = toolbox.run(f"{PREFIX}nm", "--dynamic", "--undefined-only", "--quiet", *libraries).decode()
    return {words[-1] for line in said.splitlines() if len(words := line.split()) == 2}


def _replace(library: Path, wanted: set[str], toolbox: Toolbox, work: Path) -> None:
    said = toolbox.run(f"{PREFIX}nm", "--dynamic", "--defined-only", library).decode()
    functions: dict[str, str] = {}
    for line in said.splitlines():
        _, kind, symbol = line.split()
        name, _, version = symbol.replace("@@", "@").partition("@")
        if name not in wanted and f"{name}@{version}" not in wanted:
            continue
        if kind not in "TWi":
            raise NotHollow(f"{library.name}: others read its data `{name}`, and a hollow library has none")
        functions[name] = version
    if not functions:
        raise NotHollow(f"{library.name}: nobody takes anything from it; [wheels] without_files removes it")
    source, script, made = work / "hollow.s", work / "hollow.map", work / "hollow.o"
    source.write_text("".join(_FUNCTION.format(symbol=name) for name in sorted(functions)))
    versions = sorted({version for version in functions.values() if version})
    script.write_text("".join(_node(version, functions) for version in versions))
    soname = f"-soname={library.name}"
    toolbox.run(f"{PREFIX}as", "-o", made, source)
    with_versions = [f"--version-script={script}"] if versions else []
    # -z noexecstack: what the assembler writes says nothing of it, and the loader would ask for one.
    toolbox.run(f"{PREFIX}ld", "-shared", "-z", "noexecstack", soname, *with_versions, "-o", library, made)


def _node(version: str, functions: dict[str, str]) -> str:
    names = " ".join(f"{name};" for name in sorted(functions) if functions[name] == version)
    return f"{version} {{ global: {names} }};\n"
