"""What the logs of an appliance and of the aggregator have in common: no value of an exception, no stop."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

# Local variables of a trace back would hold frames, templates and numbers.
_traced = ExceptionDictTransformer(show_locals=False)
_VALUES = ("exc_value", "exc_notes", "syntax_error")


class LossyStream:
    """A stream on which a line is lost where it cannot be written (a full disk), and the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        with suppress(OSError):
            self._stream.flush()


def exceptions_by_place() -> structlog.processors.ExceptionRenderer:
    """Return what writes classes and frames of an exception, its causes and its group, without any value.

    A value may be the very number that was looked for.
    """
    return structlog.processors.ExceptionRenderer(_place)


def _place(exc_info: ExcInfo) -> list[dict[str, Any]]:
    return _without_values(_traced(exc_info))


def _without_values(stacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for stack in stacks:
        for value in _VALUES:
            stack.pop(value, None)
        for group in stack.get("exceptions", ()):
            _without_values(group)
    return stacks
