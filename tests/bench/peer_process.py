"""A peer's process, seen from the driver: requests go out, answers come back, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).parents[2]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by whatever computes with a pool of its own; each worker sets its library's own option besides."""


class PeerFailed(RuntimeError):
    """A peer's process ended early; its own message is on the standard error."""


@dataclass(frozen=True, slots=True)
class PeerCommand:
    """How to start a peer.

    ours: it runs in the project's environment, not in that of the peers.
    timed_pairs: compare only so many pairs, for the time, with a peer that needs seconds for each.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    ours: bool = False
    timed_pairs: int | None = None


class PeerProcess:
    """A running worker (`tests.bench.peers.worker`)."""

    def __init__(self, command: PeerCommand) -> None:
        self.command = command
        python = Path(sys.executable) if command.ours else REPOSITORY / ".venv-bench" / "bin" / "python"
        self._process = subprocess.Popen(
            [str(python), "-m", command.module, *command.arguments],
            cwd=REPOSITORY,
            env={
                **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                **dict.fromkeys(ONE_THREAD, "1"),
                "PYTHONHASHSEED": "0",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def extract(self, path: Path) -> dict[str, Any]:
        """Have a template made of an image file; the worker keeps it under the file's name."""
        return self._ask({"do": "extract", "path": str(path)})

    def compare(self, pairs: Sequence[tuple[Path, Path]]) -> dict[str, Any]:
        """Have the templates of these files compared."""
        return self._ask({"do": "compare", "pairs": [(str(one), str(other)) for one, other in pairs]})

    def describe(self) -> dict[str, Any]:
        """Ask for versions, the size of the models and the peak memory so far."""
        return self._ask({"do": "describe"})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("the pipes were asked for")
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerFailed(f"{self.command.name} ended during {request['do']!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer
