"""How many bytes a batch has on the wire: `python -m tests.bench.batch_size`.

The check-ins are made up: one every 20 s give or take 8, four stage times that vary as they do on a Pi, 94 %
matches. Their identifiers are random, as real ones are.
"""

from __future__ import annotations

import random
import sys

from aidpost.v1 import event_pb2
from firmware.uplink.packing import pack
from tests.kit.link_device import BOOT_ID, START_NS

STAGES_MS = {"capture": (900, 250), "quality": (12, 2), "template": (95, 12), "compare": (3, 0.8)}


def check_in(rng: random.Random, seq: int, *, ids: bool, entries: bool) -> event_pb2.Event:
    """Return one check-in; ids, entries: with random identifiers of records, and of entries."""
    monotonic_ms = 1_000_000 + seq * 20_000 + rng.randrange(-8_000, 8_000)
    matched = rng.random() < 0.94
    return event_pb2.Event(
        seq=seq,
        moment=event_pb2.Moment(
            boot_id=BOOT_ID,
            monotonic_ms=monotonic_ms,
            wall_ms=START_NS // 1_000_000 + monotonic_ms + rng.randrange(2),
            clock_quality=event_pb2.CLOCK_QUALITY_CHECKED,
        ),
        check_in=event_pb2.CheckIn(
            record_id=rng.randbytes(16) if ids else bytes(16),
            mode=event_pb2.MODE_VERIFY,
            outcome=event_pb2.OUTCOME_MATCH if matched else event_pb2.OUTCOME_NO_MATCH,
            entry_id=rng.randbytes(16) if matched and entries else b"",
            modalities=[event_pb2.MODALITY_FACE],
            tries=1 if rng.random() < 0.9 else 2,
            score_hundredths=round(rng.gauss(1400, 400)),
            threshold_hundredths=650,
            operating_point="default sha256:" + "ab" * 32,
            gallery_size=500,
            stages=[
                event_pb2.StageTime(stage=stage, tenths_ms=max(0, round(rng.gauss(*spread) * 10)))
                for stage, spread in STAGES_MS.items()
            ],
        ),
    )


def main() -> None:
    """Measure and print."""
    out = sys.stdout
    out.write("events  identifiers             as protobuf   packed   an event\n")
    for name, ids, entries in (
        ("none", False, False),
        ("of records", True, False),
        ("of records and entries", True, True),
    ):
        for count in (1, 20, 100):
            rng = random.Random(count)  # noqa: S311
            events = [check_in(rng, seq, ids=ids, entries=entries) for seq in range(1, count + 1)]
            plain = sum(event.ByteSize() for event in events)
            packed = pack(events, rng.randbytes(32)).ByteSize()
            out.write(f"{count:6}  {name:22}  {plain:11,}  {packed:7,}  {packed / count:9.1f}\n")


if __name__ == "__main__":
    main()
