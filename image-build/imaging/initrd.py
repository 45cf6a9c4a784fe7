"""The initial file system: busybox, veritysetup and modules, out of the root's own files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from firmware.slots.selector import known_contents
from imaging.kernel import uncompressed
from imaging.toolbox import Toolbox

INIT = Path(__file__).parent / "init.sh"
PARTS = (Path(__file__).parent / "slots.sh", Path(__file__).parent / "card.sh")
PROGRAMS = ("/usr/bin/busybox", "/usr/sbin/veritysetup")
LIBRARIES = ("/usr/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu/systemd")
FOLDERS = ("dev", "newroot", "proc", "run", "selector", "sys", "tmp")

_FOLDER = stat.S_IFDIR | 0o755
_PROGRAM = stat.S_IFREG | 0o755
_FILE = stat.S_IFREG | 0o644
_LINK = stat.S_IFLNK | 0o777
_DEVICE = stat.S_IFCHR | 0o600

Entries = dict[str, tuple[int, bytes]]


def make(
    root: Path,
    modules: Path,
    wanted: Iterable[Path],
    toolbox: Toolbox,
    init: Path = INIT,
    programs: Iterable[str] = PROGRAMS,
) -> bytes:
    """Return the archive, packed with zstd; raises CommandFailed, FileNotFoundError.

    wanted: files of modules relative to `modules`, in the order in which they are loaded.
    """
    taken: Entries = {}
    for program in programs:
        _with_libraries(root, program, taken, toolbox)
    loaded = {file.name.removesuffix(".xz"): uncompressed(modules / file) for file in wanted}
    files = whole({name: content for name, (_, content) in taken.items()}, loaded, init)
    return toolbox.run("zstd", "-19", "--quiet", "--stdout", given=archive(files, toolbox.epoch))


def whole(programs: Mapping[str, bytes], modules: Mapping[str, bytes], init: Path = INIT) -> Entries:
    """Return all that is in it. programs: and libraries, by path. modules: in the order of loading."""
    files: Entries = {name: (_PROGRAM, content) for name, content in programs.items()}
    files |= {f"modules/{name}": (_FILE, content) for name, content in modules.items()}
    files["modules/list"] = (_FILE, "".join(f"{name}\n" for name in modules).encode())
    files["init"] = (_PROGRAM, init.read_bytes())
    files |= {part.name: (_FILE, part.read_bytes()) for part in PARTS}
    files |= {f"slots/{name}": (_FILE, content) for name, content in known_contents().items()}
    files["bin/sh"] = (_LINK, b"/usr/bin/busybox")
    files["dev/console"] = (_DEVICE, b"")
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    return files | dict.fromkeys(folders | set(FOLDERS), (_FOLDER, b""))


def _with_libraries(root: Path, path: str, files: Entries, toolbox: Toolbox) -> None:
    """Add a program or library of the root and what it is linked with, at the same places."""
    name = path.lstrip("/")
    if name in files:
        return
    file = _within(root, path)
    files[name] = (_PROGRAM, file.read_bytes())
    said = toolbox.run("readelf", "--wide", "--program-headers", "--dynamic", file).decode()
    if loader := re.search(r"interpreter: (\S+)\]", said):
        files[loader[1].lstrip("/")] = (_PROGRAM, _within(root, loader[1]).read_bytes())
    for library in re.findall(r"NEEDED.*\[(.+?)\]", said):
        places = [
            f"{folder}/{library}" for folder in LIBRARIES if (root / folder.lstrip("/") / library).exists()
        ]
        if not places:
            raise FileNotFoundError(f"{library}, which {path} is linked with, is not in the root")
        _with_libraries(root, places[0], files, toolbox)


def _within(root: Path, path: str) -> Path:
    """Return the file that a path of the root leads to, its links followed within the root."""
    while (file := root / path.lstrip("/")).is_symlink():
        path = os.path.normpath(Path("/", path).parent / file.readlink())
    return file


def archive(files: Entries, epoch: int) -> bytes:
    """Return a cpio archive in the form "newc" (Linux: driver-api/early-userspace/buffer-format.rst)."""
    out = bytearray()
    entries = [*sorted(files.items()), ("TRAILER!!!", (0, b""))]
    for number, (name, (mode, data)) in enumerate(entries):
        device = (5, 1) if stat.S_ISCHR(mode) else (0, 0)
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, epoch, len(data), 0, 0, *device, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)
