import ast
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import structlog

from firmware import log
from trust.log_lines import LossyStream


@pytest.mark.parametrize(
    "field",
    ["subject", "number", "household", "card", "pin", "operator", "supervisor", "caregiver"],
)
def test_a_field_that_could_name_a_person_never_reaches_the_log(field: str) -> None:
    out = io.StringIO()
    log.configure(stream=out)
    structlog.get_logger().info("committed", seq=4, **{field: "case-17"})
    line = json.loads(out.getvalue())
    assert "case-17" not in out.getvalue()
    assert (line["event"], line["seq"], line["dropped"]) == ("committed", 4, True)


def test_a_trace_back_holds_no_local_values() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    secret = np.full(3, 171)
    try:
        secret.reshape(7)
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "171" not in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_of_an_exception_class_and_place_are_logged_and_no_value() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    try:
        try:
            dict[str, int]()["H-0001"]
        except KeyError as error:
            error.add_note("of household H-0001")
            raise ExceptionGroup("for H-0001", [ValueError("H-0001")]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("failed")
    said = out.getvalue()
    assert "H-0001" not in said
    group, cause = json.loads(said)["exception"]
    assert (group["exc_type"], cause["exc_type"]) == ("ExceptionGroup", "KeyError")
    assert group["exceptions"][0][0]["exc_type"] == "ValueError"
    assert group["frames"][0]["name"].startswith("test_of_an_exception")
    assert group["frames"][0]["lineno"] > 0


AT_THE_AGGREGATOR = """
import asyncio, gc, logging
from aggregator.logs import configure_logs

log = configure_logs()

def fail():
    try:
        {}["H-0001"]
    except KeyError as error:
        error.add_note("of household H-0001")
        raise ValueError("H-0001") from error

async def forgotten():
    await asyncio.wait([asyncio.create_task(asyncio.to_thread(fail))])
    gc.collect()

try:
    fail()
except ValueError:
    log.exception("failed")
    logging.getLogger("grpc").exception("a library failed")
asyncio.run(forgotten())
"""


def test_the_aggregator_too_logs_class_and_place_of_an_exception_and_no_value() -> None:
    run = subprocess.run(
        [sys.executable, "-c", AT_THE_AGGREGATOR], capture_output=True, text=True, check=True, timeout=60
    )
    assert "H-0001" not in run.stderr
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "failed",
        "a library failed",
        "Task exception was never retrieved",
    ]
    for line in lines:
        assert [each["exc_type"] for each in line["exception"]] == ["ValueError", "KeyError"]
        assert line["exception"][0]["frames"][-1]["name"] == "fail"


def test_no_line_of_the_appliance_logs_a_field_that_is_dropped() -> None:
    root = Path(__file__).parents[2]
    fields = {
        (path.name, call.lineno, field.arg)
        for part in ("firmware", "inference", "sensors", "trust")
        for path in (root / part).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in {"debug", "info", "warning", "error", "exception", "bind"}
        for field in call.keywords
    }
    assert len(fields) > 50, "the calls are found"
    assert {each for each in fields if each[2] in log.FORBIDDEN} == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_log_on_a_full_disk_stops_nothing() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = os.fdopen(full, "w", buffering=1)
    with pytest.raises(OSError, match="No space left"):
        stream.write("a line\n")
    LossyStream(stream).write("another\n")
    LossyStream(stream).flush()
    with suppress(OSError):
        stream.close()
