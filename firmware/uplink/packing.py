"""Packs events into a batch: columns of differences and dictionary indices, then zstd.

Compression level 9 packs 100 events in 0.3 ms more than level 3 and saves 2 %; above it nothing is gained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import zstandard

from aidpost.v1 import batch_pb2, event_pb2

LEVEL = 9
MAX_EVENTS = 100

_ValueT = TypeVar("_ValueT")


def pack(events: Sequence[event_pb2.Event], chain_head: bytes) -> batch_pb2.EventBatch:
    """Return events in rising order of seq, and the chain's value after the last, as one batch."""
    columns = batch_pb2.PackedEvents(
        seq_steps=_steps([event.seq for event in events]),
        monotonic_steps_ms=_steps([event.moment.monotonic_ms for event in events]),
        offset_steps_ms=_steps([event.moment.wall_ms - event.moment.monotonic_ms for event in events]),
        clock_qualities=[event.moment.clock_quality for event in events],
    )
    boots = _Dictionary[bytes]()
    columns.boots.extend(boots.index(event.moment.boot_id) for event in events)
    columns.boot_ids.extend(boots.values)
    check_ins: list[event_pb2.CheckIn] = []
    for place, event in enumerate(events):
        if event.HasField("check_in"):
            check_ins.append(event.check_in)
        else:
            other = columns.others.add()
            other.CopyFrom(event)
            other.ClearField("seq")
            other.ClearField("moment")
            columns.other_places.append(place)
    if check_ins:
        columns.check_ins.CopyFrom(_check_ins(check_ins))
    # The content size goes into the frame's header: the receiver refuses a bomb before it unpacks anything.
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, write_content_size=True)
    return batch_pb2.EventBatch(
        packed=compressor.compress(columns.SerializeToString(deterministic=True)), chain_head=chain_head
    )


def _check_ins(bodies: Sequence[event_pb2.CheckIn]) -> batch_pb2.CheckInColumns:
    texts = _Dictionary[str]()
    entries = _Dictionary[bytes]()
    modality_sets = _Dictionary[tuple[event_pb2.Modality.ValueType, ...]]()
    stage_sets = _Dictionary[tuple[str, ...]]()
    columns = batch_pb2.CheckInColumns(
        record_ids=b"".join(body.record_id for body in bodies),
        modes=[body.mode for body in bodies],
        outcomes=[body.outcome for body in bodies],
        entries=[entries.index(body.entry_id) + 1 if body.entry_id else 0 for body in bodies],
        reasons=[texts.index(body.reason) for body in bodies],
        operating_points=[texts.index(body.operating_point) for body in bodies],
        modalities=[modality_sets.index(tuple(body.modalities)) for body in bodies],
        tries=[body.tries for body in bodies],
        scores=[
            _with_none(body.score_hundredths if body.HasField("score_hundredths") else None)
            for body in bodies
        ],
        thresholds=[
            _with_none(body.threshold_hundredths if body.HasField("threshold_hundredths") else None)
            for body in bodies
        ],
        gallery_sizes=[body.gallery_size for body in bodies],
        stages=[stage_sets.index(tuple(stage.stage for stage in body.stages)) for body in bodies],
        stage_tenths_ms=[stage.tenths_ms for body in bodies for stage in body.stages],
        confirmed=[body.confirmed for body in bodies],
    )
    columns.entry_ids = b"".join(entries.values)
    columns.texts.extend(texts.values)
    columns.modality_sets.extend(batch_pb2.ModalitySet(modalities=found) for found in modality_sets.values)
    columns.stage_sets.extend(batch_pb2.StageSet(names=names) for names in stage_sets.values)
    return columns


class _Dictionary(Generic[_ValueT]):
    """Numbers values in the order in which they first come."""

    def __init__(self) -> None:
        self._places: dict[_ValueT, int] = {}

    def index(self, value: _ValueT) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> Iterable[_ValueT]:
        return self._places


def _steps(values: Sequence[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]


def _with_none(hundredths: int | None) -> int:
    if hundredths is None:
        return 0
    return hundredths + 1 if hundredths >= 0 else hundredths
