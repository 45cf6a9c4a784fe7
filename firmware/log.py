"""Structured logs: one JSON object a line on standard error, events with fields, never personal data.

What may be logged: record ids, outcomes, counts, times, device models, classes of faults. Never a subject, an
image, a template or a key; `_forbid` drops such a field and says so, in case a caller forgets.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer

FORBIDDEN = frozenset(
    {"subject", "name", "image", "pixels", "frame", "template", "embedding", "minutiae", "key"}
)


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


def configure(level: str = "info", *, stream: Any = None) -> None:
    """Set up logging for this process; level is debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _forbid,
            # Local variables of a trace back would hold frames and templates.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", LossyStream(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )


def _forbid(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in FORBIDDEN & event.keys():
        del event[name]
        event["dropped"] = True
    return event
