"""How many instructions one face and one finger decision take: `make instructions`.

Counted by valgrind's callgrind, so no other load on the machine moves the figure. Valgrind shows every
program the same made-up processor with AVX2, whatever the host's, so the libraries choose the same code on
any x86-64 with AVX2. What else the count depends on is written beside it: the interpreter and the machine
type must be the same, else nothing is compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.bench.decision import DECISIONS, make_decisions
from tests.bench.peer_process import ONE_THREAD, REPOSITORY

STORED = Path(__file__).with_name("instructions.json")
BAND = 0.10
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class NotComparable(Exception):
    """Instructions cannot be counted here, or not be compared with the stored ones; the message says why."""


class Counts(msgspec.Struct, frozen=True):
    """Instructions of each decision, and what they were counted with.

    python: version up to the minor one. valgrind is noted alone: the made-up processor is its own.
    """

    machine: str
    python: str
    valgrind: str
    instructions: dict[str, int]


def count() -> Counts:
    """Make each decision under valgrind, both at once. Raises NotComparable."""
    machine, valgrind = platform.machine(), _valgrind_version()
    if machine != "x86_64":
        raise NotComparable(f"instructions are counted on x86-64 alone, and this is {machine}")
    if "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        raise NotComparable("this processor lacks AVX2, so the libraries run other code than was counted")
    with tempfile.TemporaryDirectory(prefix="aidpost-instructions-") as name:
        folder = Path(name)
        make_decisions(folder)
        running = {decision: _start(decision, folder) for decision in DECISIONS}
        instructions = {name: _finish(process, name, folder) for name, process in running.items()}
    return Counts(machine, _python_version(), valgrind, instructions)


def differences(found: Counts, stored: Counts) -> Mapping[str, float]:
    """Return how far each count is from the stored one, as a fraction of that. Raises NotComparable."""
    if (found.machine, found.python) != (stored.machine, stored.python):
        raise NotComparable(
            f"the stored counts are of Python {stored.python} on {stored.machine}, these of Python "
            f"{found.python} on {found.machine}"
        )
    return {name: found.instructions[name] / wanted - 1 for name, wanted in stored.instructions.items()}


def stored_counts() -> Counts:
    """Read the counts that were accepted last."""
    return msgspec.json.decode(STORED.read_bytes(), type=Counts)


def main() -> None:
    """Compare, or keep what is counted now; exit status 1 outside the band, 3 where none can be compared."""
    parser = argparse.ArgumentParser(prog="make instructions", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="keep what is counted now")
    accept = parser.parse_args().accept
    try:
        found = count()
        if accept:
            STORED.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
            apart: Mapping[str, float] = {}
        else:
            apart = differences(found, stored_counts())
    except NotComparable as reason:
        sys.stderr.write(f"Not compared: {reason}.\n")
        sys.exit(3)
    for name, counted in found.instructions.items():
        beside = f", {apart[name]:+.2%} of the stored figure" if name in apart else ", kept"
        sys.stdout.write(f"{name}: {counted / 1e6:,.1f} million instructions{beside}\n")
    if any(abs(difference) > BAND for difference in apart.values()):
        sys.stdout.write(f"Outside {BAND:.0%}. If that is meant: make instructions ARGS=--accept\n")
        sys.exit(1)


def _start(decision: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *("valgrind", "--tool=callgrind", "--instr-atstart=no"),
            f"--callgrind-out-file={folder / decision}.callgrind",
            *(sys.executable, "-m", "tests.bench.decision", decision, str(folder)),
        ],
        cwd=REPOSITORY,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str], decision: str, folder: Path) -> int:
    complaint = process.communicate()[1]
    # The dump that the program asked for is the first; what callgrind writes at the end is empty.
    dump = folder / f"{decision}.callgrind.1"
    if process.returncode != 0 or not dump.is_file():
        raise RuntimeError(f"the {decision} decision failed under valgrind: {complaint.strip()[-2000:]}")
    total = _TOTAL.search(dump.read_text(encoding="utf-8"))
    if total is None or int(total[1]) == 0:
        raise RuntimeError(f"callgrind counted nothing for the {decision} decision")
    return int(total[1])


def _valgrind_version() -> str:
    command = shutil.which("valgrind")
    if command is None:
        raise NotComparable("valgrind is not installed (Debian package valgrind)")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("valgrind-")


def _python_version() -> str:
    return "{}.{}".format(*sys.version_info[:2])


if __name__ == "__main__":
    main()
