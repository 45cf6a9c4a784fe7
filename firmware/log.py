"""Structured logs: one JSON object a line on standard error, events with fields, never personal data.

What may be logged: record ids, outcomes, counts, times, device models, classes of faults. Never a subject, an
image, a template, a PIN or a key; `_forbid` drops such a field and says so, in case a caller forgets. Of an
exception its class and its place are kept: its value may be the very number that was looked for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from firmware.diagnostics.log_tail import LogTail

_SAMPLES = "image pixels frame template embedding minutiae face finger fingers descriptor probe sample"
_PERSONS = (
    "subject person name number household appointment card token code scanned text typed entry receipt "
    "collector collectors alternate alternates caregiver patient registered_as claim claimed"
)
_STAFF = "operator supervisor countersigned_by approved_by staff member by"
_SECRETS = "key pin pins passphrase password secret seed"
FORBIDDEN = frozenset(f"{_SAMPLES} {_PERSONS} {_STAFF} {_SECRETS}".split())


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


def configure(level: str = "info", *, stream: Any = None) -> LogTail:
    """Set up logging for this process; level is debug, info, warning or error. Returns the newest lines."""
    tail = LogTail(cast("TextIO", LossyStream(stream or sys.stderr)))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _forbid,
            structlog.processors.ExceptionRenderer(_place),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", tail)),
        cache_logger_on_first_use=False,
    )
    return tail


# Local variables of a trace back would hold frames and templates.
_traced = ExceptionDictTransformer(show_locals=False)
_VALUES = ("exc_value", "exc_notes", "syntax_error")


def _place(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Return the classes and the frames of an exception, its causes and its group, without any value."""
    return _without_values(_traced(exc_info))


def _without_values(stacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for stack in stacks:
        for value in _VALUES:
            stack.pop(value, None)
        for group in stack.get("exceptions", ()):
            _without_values(group)
    return stacks


def _forbid(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in FORBIDDEN & event.keys():
        del event[name]
        event["dropped"] = True
    return event
