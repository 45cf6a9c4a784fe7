"""Opens a batch and checks its columns; a batch of any bytes costs a bounded amount of memory and time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

import zstandard
from google.protobuf.message import DecodeError

from aggregator.malformed import Malformed
from aidpost.v1 import batch_pb2

MAX_UNPACKED_BYTES = 1 << 20  # 500 check-ins of the largest dictionary are below it
# What a dictionary says once may be meant 500 times: long texts would make 500 MB of 1.
MAX_TEXT = 200
MAX_STAGE_NAME = 32
MAX_STAGES = 32
MAX_MODALITIES = 8
ID_BYTES = 16
MAX_INT64 = 2**63 - 1

_ValueT = TypeVar("_ValueT")


def open_batch(batch: batch_pb2.EventBatch, max_events: int) -> batch_pb2.PackedEvents:
    """Return the columns, which fit each other; raises Malformed, as all here do. Values are not checked."""
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
    check_lengths(
        count, columns.boots, columns.monotonic_steps_ms, columns.offset_steps_ms, columns.clock_qualities
    )
    places = columns.other_places
    rising = all(before < place for before, place in pairwise(places))
    if len(places) != len(columns.others) or not rising or (places and not places[-1] < count):
        raise Malformed("a batch places its other events wrongly")
    c = columns.check_ins
    check_lengths(
        count - len(places), c.modes, c.outcomes, c.entries, c.reasons, c.operating_points, c.modalities,
        c.tries, c.scores, c.thresholds, c.gallery_sizes, c.stages, c.confirmed,
    )  # fmt: skip
    if any(len(text) > MAX_TEXT for text in c.texts):
        raise Malformed(f"a text of a check-in is longer than {MAX_TEXT} characters")
    if any(len(name) > MAX_STAGE_NAME for found in c.stage_sets for name in found.names):
        raise Malformed(f"a stage has a name of more than {MAX_STAGE_NAME} characters")
    if any(len(found.modalities) > MAX_MODALITIES for found in c.modality_sets):
        raise Malformed(f"a check-in has more than {MAX_MODALITIES} modalities")
    if any(len(found.names) > MAX_STAGES for found in c.stage_sets):
        raise Malformed(f"a check-in has more than {MAX_STAGES} stages")
    return columns


def seqs_of(columns: batch_pb2.PackedEvents) -> list[int]:
    """Return the sequence numbers, which rise."""
    seqs = list(accumulate(columns.seq_steps))
    if not all(columns.seq_steps) or seqs[-1] > MAX_INT64:
        raise Malformed("seq must start at 1, rise within a batch, and stay below 2^63")
    return seqs


def check_lengths(count: int, *columns: Sequence[object]) -> None:
    """Hold the lengths of columns against the number of events."""
    if any(len(column) != count for column in columns):
        raise Malformed("the columns of a batch differ in length")


def ids_of(joined: bytes) -> list[bytes]:
    """Return identifiers that were written one after the other."""
    if len(joined) % ID_BYTES:
        raise Malformed("identifiers in a batch must be 16 bytes each")
    return [joined[start : start + ID_BYTES] for start in range(0, len(joined), ID_BYTES)]


def at(dictionary: Sequence[_ValueT], index: int) -> _ValueT:
    """Return what an index means."""
    if index >= len(dictionary):
        raise Malformed("a batch points outside its dictionary")
    return dictionary[index]


def _unzipped(packed: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_UNPACKED_BYTES:
            raise Malformed(f"a batch unpacks to more than {MAX_UNPACKED_BYTES} bytes, or does not say")
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACKED_BYTES)
        return decompressor.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed("a batch is not packed as this version knows") from error
