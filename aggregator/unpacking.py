"""Unpacks a batch into its events; a batch of any bytes costs a bounded amount of memory and time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import zstandard
from google.protobuf.message import DecodeError

from aggregator.malformed import Malformed
from aidpost.v1 import batch_pb2, event_pb2

MAX_UNPACKED_BYTES = 1 << 20  # 500 check-ins of the largest dictionary are below it
# What a dictionary says once may be meant 500 times: long texts would make 500 MB of 1.
MAX_TEXT = 200
MAX_STAGE_NAME = 32
MAX_STAGES = 32
MAX_MODALITIES = 8
ID_BYTES = 16
MAX_INT64 = 2**63 - 1

_ValueT = TypeVar("_ValueT")


def unpack(batch: batch_pb2.EventBatch, max_events: int) -> list[event_pb2.Event]:
    """Return the events; raises Malformed. Only the form is checked here, not what the events say."""
    columns = batch_pb2.PackedEvents()
    try:
        columns.ParseFromString(_unzipped(batch.packed))
    except DecodeError as error:
        raise Malformed("a batch is not packed as this version knows") from error
    count = len(columns.seq_steps)
    if not count:
        raise Malformed("a batch holds no events")
    if count > max_events:
        raise Malformed(f"a batch holds more than the {max_events} events that the welcome allows")
    _check_lengths(
        count, columns.boots, columns.monotonic_steps_ms, columns.offset_steps_ms, columns.clock_qualities
    )
    events = [
        event_pb2.Event(seq=seq, moment=moment)
        for seq, moment in zip(_seqs(columns), _moments(columns), strict=True)
    ]
    places = columns.other_places
    if len(places) != len(columns.others) or any(not place < count for place in places):
        raise Malformed("a batch places its other events wrongly")
    others = dict(zip(places, columns.others, strict=True))
    if list(others) != sorted(others) or len(others) != len(places):
        raise Malformed("a batch places its other events wrongly")
    check_ins: list[event_pb2.CheckIn] = []
    for place, event in enumerate(events):
        if (other := others.get(place)) is None:
            check_ins.append(event.check_in)
        else:
            if other.seq or other.HasField("moment") or other.WhichOneof("body") in (None, "check_in"):
                raise Malformed("an event has no body that this version knows")
            event.MergeFrom(other)
    _fill(check_ins, columns.check_ins)
    return events


def _unzipped(packed: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_UNPACKED_BYTES:
            raise Malformed(f"a batch unpacks to more than {MAX_UNPACKED_BYTES} bytes, or does not say")
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED_BYTES)
        return decompressor.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed("a batch is not packed as this version knows") from error


def _seqs(columns: batch_pb2.PackedEvents) -> list[int]:
    if not all(columns.seq_steps):
        raise Malformed("seq must start at 1, rise within a batch, and stay below 2^63")
    seqs = list(accumulate(columns.seq_steps))
    if seqs[-1] > MAX_INT64:
        raise Malformed("seq must start at 1, rise within a batch, and stay below 2^63")
    return seqs


def _moments(columns: batch_pb2.PackedEvents) -> list[event_pb2.Moment]:
    if any(len(boot_id) != ID_BYTES for boot_id in columns.boot_ids):
        raise Malformed("boot_id must be 16 bytes")
    moments = []
    monotonic_ms = offset_ms = 0
    for boot, step, offset_step, quality in zip(
        columns.boots,
        columns.monotonic_steps_ms,
        columns.offset_steps_ms,
        columns.clock_qualities,
        strict=True,
    ):
        monotonic_ms += step
        offset_ms += offset_step
        wall_ms = monotonic_ms + offset_ms
        if not (0 <= monotonic_ms <= MAX_INT64 and 0 <= wall_ms <= MAX_INT64):
            raise Malformed("monotonic_ms and wall_ms must lie between 0 and 2^63")
        moments.append(
            event_pb2.Moment(
                boot_id=_at(columns.boot_ids, boot),
                monotonic_ms=monotonic_ms,
                wall_ms=wall_ms,
                clock_quality=quality,
            )
        )
    return moments


def _fill(bodies: Sequence[event_pb2.CheckIn], c: batch_pb2.CheckInColumns) -> None:
    count = len(bodies)
    _check_lengths(
        count, c.modes, c.outcomes, c.entries, c.reasons, c.operating_points, c.modalities, c.tries, c.scores,
        c.thresholds, c.gallery_sizes, c.stages, c.confirmed,
    )  # fmt: skip
    record_ids, entry_ids = _ids(c.record_ids), _ids(c.entry_ids)
    _check_lengths(count, record_ids)
    texts, durations = list(c.texts), list(c.stage_tenths_ms)
    modality_sets = [list(found.modalities) for found in c.modality_sets]
    stage_sets = [list(found.names) for found in c.stage_sets]
    if any(len(text) > MAX_TEXT for text in texts):
        raise Malformed(f"a text of a check-in is longer than {MAX_TEXT} characters")
    if any(len(name) > MAX_STAGE_NAME for names in stage_sets for name in names):
        raise Malformed(f"a stage has a name of more than {MAX_STAGE_NAME} characters")
    if any(len(found) > MAX_MODALITIES for found in modality_sets):
        raise Malformed(f"a check-in has more than {MAX_MODALITIES} modalities")
    if any(len(names) > MAX_STAGES for names in stage_sets):
        raise Malformed(f"a check-in has more than {MAX_STAGES} stages")
    timed = 0
    rows = zip(
        bodies, record_ids, c.modes, c.outcomes, c.entries, c.reasons, c.operating_points, c.modalities,
        c.tries, c.scores, c.thresholds, c.gallery_sizes, c.stages, c.confirmed, strict=True,
    )  # fmt: skip
    for (
        body, record_id, mode, outcome, entry, reason, operating_point, modality_set, tries, score, threshold,
        gallery_size, stage_set, confirmed,
    ) in rows:  # fmt: skip
        body.record_id = record_id
        body.mode = mode
        body.outcome = outcome
        if entry:
            body.entry_id = _at(entry_ids, entry - 1)
        body.reason = _at(texts, reason)
        body.modalities.extend(_at(modality_sets, modality_set))
        body.tries = tries
        if score:
            body.score_hundredths = score - 1 if score > 0 else score
        if threshold:
            body.threshold_hundredths = threshold - 1 if threshold > 0 else threshold
        body.operating_point = _at(texts, operating_point)
        body.gallery_size = gallery_size
        body.confirmed = confirmed
        names = _at(stage_sets, stage_set)
        times = durations[timed : timed + len(names)]
        _check_lengths(len(names), times)
        for name, tenths_ms in zip(names, times, strict=True):
            body.stages.add(stage=name, tenths_ms=tenths_ms)
        timed += len(names)
    _check_lengths(timed, durations)


def _check_lengths(count: int, *columns: Sequence[object]) -> None:
    if any(len(column) != count for column in columns):
        raise Malformed("the columns of a batch differ in length")


def _ids(joined: bytes) -> list[bytes]:
    if len(joined) % ID_BYTES:
        raise Malformed("identifiers in a batch must be 16 bytes each")
    return [joined[start : start + ID_BYTES] for start in range(0, len(joined), ID_BYTES)]


def _at(dictionary: Sequence[_ValueT], index: int) -> _ValueT:
    if index >= len(dictionary):
        raise Malformed("a batch points outside its dictionary")
    return dictionary[index]
