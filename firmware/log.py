"""Structured logs: one JSON object a line on standard error, events with fields, never personal data.

What may be logged: record ids, outcomes, counts, times, device models, classes of faults. Never a subject, an
image, a template, a PIN or a key; `_forbid` drops such a field and says so, in case a caller forgets. Of an
exception its class and its place are kept: its value may be the very number that was looked for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from firmware.diagnostics.log_tail import LogTail
from trust.log_lines import LossyStream, exceptions_by_place

_SAMPLES = "image pixels frame template embedding minutiae face finger fingers descriptor probe sample"
_PERSONS = (
    "subject person name number household appointment card token code scanned text typed entry receipt "
    "collector collectors alternate alternates caregiver patient registered_as claim claimed"
)
_STAFF = "operator supervisor countersigned_by approved_by staff member by"
_SECRETS = "key pin pins passphrase password secret seed"
FORBIDDEN = frozenset(f"{_SAMPLES} {_PERSONS} {_STAFF} {_SECRETS}".split())


def configure(level: str = "info", *, stream: Any = None) -> LogTail:
    """Set up logging for this process; level is debug, info, warning or error. Returns the newest lines."""
    tail = LogTail(cast("TextIO", LossyStream(stream or sys.stderr)))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _forbid,
            exceptions_by_place(),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", tail)),
        cache_logger_on_first_use=False,
    )
    return tail


def _forbid(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in FORBIDDEN & event.keys():
        del event[name]
        event["dropped"] = True
    return event
