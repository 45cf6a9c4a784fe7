"""Structured logs, one JSON object a line: never a name, an image, a template or a key.

Of an exception its class and its place are kept, also where a library logs it.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from trust.log_lines import LossyStream, exceptions_by_place


def configure_logs() -> FilteringBoundLogger:
    """Send the logs of this process, those of its libraries too, to the standard error as JSON lines."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions_by_place(),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _first_line_of_faults, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    # Libraries tell of their own starting and stopping at level info; the server's own entries say it once.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(cast("TextIO", LossyStream(sys.stderr))),
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return log


def _first_line_of_faults(_logger: object, _method: str, event: EventDict) -> EventDict:
    """asyncio names the future beneath what it says, and with it the exception's value."""
    if event.get("exc_info"):
        event["event"] = str(event["event"]).partition("\n")[0]
    return event
