import io
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import structlog

from aggregator.logs import LossyStream
from firmware import log


def test_a_field_that_could_name_a_person_never_reaches_the_log() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    structlog.get_logger().info("committed", seq=4, subject="case-17")
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("kind", [log.LossyStream, LossyStream])
def test_a_log_on_a_full_disk_stops_nothing(kind: type[log.LossyStream] | type[LossyStream]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    stream = os.fdopen(full, "w", buffering=1)
    with pytest.raises(OSError, match="No space left"):
        stream.write("a line\n")
    kind(stream).write("another\n")
    kind(stream).flush()
    with suppress(OSError):
        stream.close()
