"""Events of a batch, from its columns to values and canonical bytes: each distinct value is checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from operator import add
from typing import TypeAlias

from aggregator import canonical
from aggregator.fields import MILLISECOND_NS, counted, known, text
from aggregator.malformed import Malformed
from aggregator.records import (
    CheckIn,
    ClockQuality,
    Event,
    EventBody,
    Modality,
    Mode,
    Moment,
    Outcome,
    StageTime,
)
from aggregator.unpacking import (
    ID_BYTES,
    MAX_INT64,
    MAX_STAGE_NAME,
    MAX_TEXT,
    at,
    check_lengths,
    ids_of,
    seqs_of,
)
from aidpost.v1 import batch_pb2, event_pb2

TENTH_MS_NS = 100_000
CLOCK_QUALITIES = {
    event_pb2.CLOCK_QUALITY_UNSET: ClockQuality.UNSET,
    event_pb2.CLOCK_QUALITY_SYNCHRONISED: ClockQuality.SYNCHRONISED,
    event_pb2.CLOCK_QUALITY_CHECKED: ClockQuality.CHECKED,
    event_pb2.CLOCK_QUALITY_WRONG: ClockQuality.WRONG,
}
_MODES = {event_pb2.MODE_VERIFY: Mode.VERIFY, event_pb2.MODE_IDENTIFY: Mode.IDENTIFY}
_OUTCOMES = {
    event_pb2.OUTCOME_MATCH: Outcome.MATCH,
    event_pb2.OUTCOME_NO_MATCH: Outcome.NO_MATCH,
    event_pb2.OUTCOME_SUGGESTION: Outcome.SUGGESTION,
    event_pb2.OUTCOME_RETRY: Outcome.RETRY,
    event_pb2.OUTCOME_UNAVAILABLE: Outcome.UNAVAILABLE,
}
_MODALITIES = {event_pb2.MODALITY_FACE: Modality.FACE, event_pb2.MODALITY_FINGER: Modality.FINGER}

BodyOf: TypeAlias = Callable[[event_pb2.Event], EventBody]


def events_of(columns: batch_pb2.PackedEvents, body_of: BodyOf) -> tuple[Event, ...]:
    """Return the events of columns that fit each other; raises Malformed.

    body_of: parses an event that is no check-in, and raises Malformed.
    """
    places = dict(zip(columns.other_places, columns.others, strict=True))
    times = list(_moments(columns))
    seqs = seqs_of(columns)
    check_ins = _check_ins(columns.check_ins, len(seqs) - len(places))
    events = []
    for place, (seq, (moment, written)) in enumerate(zip(seqs, times, strict=True)):
        head = b"\x08" + canonical.varint(seq) + written
        if (other := places.get(place)) is None:
            check_in, body = next(check_ins)
            events.append(Event(seq, moment, check_in, head + body))
        else:
            if other.seq or other.HasField("moment") or other.WhichOneof("body") in (None, "check_in"):
                raise Malformed("an event has no body that this version knows")
            # Fields of a newer version stay where serializing puts them: behind those that are known.
            content = head + other.SerializeToString(deterministic=True)
            events.append(Event(seq, moment, body_of(other), content))
    next(check_ins, None)  # it checks the end of its columns after the last
    return tuple(events)


def _moments(columns: batch_pb2.PackedEvents) -> Iterator[tuple[Moment, bytes]]:
    """Yield the moment of each event, and as its canonical bytes."""
    boot_ids = columns.boot_ids
    if any(len(boot_id) != ID_BYTES for boot_id in boot_ids):
        raise Malformed("boot_id must be 16 bytes")
    boots = {
        index: (boot_id, canonical.length_delimited(0x0A, boot_id))
        for index in set(columns.boots)
        for boot_id in [at(boot_ids, index)]
    }
    qualities = {
        value: (known(CLOCK_QUALITIES, value, "clock_quality"), canonical.number(0x20, value))
        for value in set(columns.clock_qualities)
    }
    monotonics = list(accumulate(columns.monotonic_steps_ms))
    walls = list(map(add, monotonics, accumulate(columns.offset_steps_ms)))
    for times in (monotonics, walls):
        if min(times) < 0 or max(times) > MAX_INT64:
            raise Malformed("monotonic_ms and wall_ms must lie between 0 and 2^63")
    counted(max(monotonics) * MILLISECOND_NS, "monotonic_ms")
    counted(max(walls) * MILLISECOND_NS, "wall_ms")
    for boot, monotonic_ms, wall_ms, value in zip(
        columns.boots, monotonics, walls, columns.clock_qualities, strict=True
    ):
        boot_id, boot_field = boots[boot]
        quality, quality_field = qualities[value]
        yield (
            Moment(boot_id, monotonic_ms * MILLISECOND_NS, wall_ms * MILLISECOND_NS, quality),
            canonical.moment(boot_field, monotonic_ms, wall_ms, quality_field),
        )


def _check_ins(c: batch_pb2.CheckInColumns, count: int) -> Iterator[tuple[CheckIn, bytes]]:
    """Yield each check-in, and Event.check_in as its canonical bytes. One more `next` checks the end."""
    record_ids, entry_ids = ids_of(c.record_ids), ids_of(c.entry_ids)
    check_lengths(count, record_ids)
    modes = {value: (known(_MODES, value, "mode"), canonical.number(0x10, value)) for value in set(c.modes)}
    outcomes = {
        value: (known(_OUTCOMES, value, "outcome"), canonical.number(0x18, value))
        for value in set(c.outcomes)
    }
    entries: dict[int, tuple[bytes | None, bytes]] = {0: (None, b"")}
    for index in set(c.entries) - {0}:
        entry_id = at(entry_ids, index - 1)
        entries[index] = entry_id, canonical.length_delimited(0x22, entry_id)
    reasons = _texts(c, c.reasons, "reason", 0x2A)
    operating_points = _texts(c, c.operating_points, "operating_point", 0x52)
    modalities = {index: _modalities(at(c.modality_sets, index)) for index in set(c.modalities)}
    tries = {value: canonical.number(0x38, value) for value in set(c.tries)}
    scores, thresholds = _scores(c.scores, 0x40), _scores(c.thresholds, 0x48)
    gallery_sizes = {value: canonical.number(0x58, value) for value in set(c.gallery_sizes)}
    confirmed_fields = {False: b"", True: b"\x68\x01"}
    stage_sets = {index: _Stages(at(c.stage_sets, index)) for index in set(c.stages)}
    durations = iter(c.stage_tenths_ms)
    rows = zip(
        record_ids, c.modes, c.outcomes, c.entries, c.reasons, c.operating_points, c.modalities, c.tries,
        c.scores, c.thresholds, c.gallery_sizes, c.stages, c.confirmed, strict=True,
    )  # fmt: skip
    for (
        record_id, mode_value, outcome_value, entry, reason_index, point_index, modality_index, tried,
        score_value, threshold_value, gallery_size, stage_index, confirmed,
    ) in rows:  # fmt: skip
        mode, mode_field = modes[mode_value]
        outcome, outcome_field = outcomes[outcome_value]
        entry_id_or_none, entry_field = entries[entry]
        reason, reason_field = reasons[reason_index]
        operating_point, point_field = operating_points[point_index]
        presented, presented_field = modalities[modality_index]
        score_llr, score_field = scores[score_value]
        threshold_llr, threshold_field = thresholds[threshold_value]
        stages, stages_field = stage_sets[stage_index].read(durations)
        body = b"".join(
            (
                b"\x0a\x10", record_id, mode_field, outcome_field, entry_field, reason_field, presented_field,
                tries[tried], score_field, threshold_field, point_field, gallery_sizes[gallery_size],
                stages_field, confirmed_fields[confirmed],
            )
        )  # fmt: skip
        check_in = CheckIn(
            record_id, mode, outcome, entry_id_or_none, reason, presented, tried, score_llr, threshold_llr,
            operating_point, gallery_size, stages, confirmed,
        )  # fmt: skip
        yield check_in, b"\x1a" + canonical.varint(len(body)) + body
    if next(durations, None) is not None:
        raise Malformed("the columns of a batch differ in length")


class _Stages:
    """One stage set: reads the times of one check-in from the column of all."""

    def __init__(self, found: batch_pb2.StageSet) -> None:
        names = [text(name, "stage", MAX_STAGE_NAME) for name in found.names]
        self._heads = [(name, canonical.StageHead(name.encode())) for name in names]

    def read(self, durations: Iterator[int]) -> tuple[tuple[StageTime, ...], bytes]:
        stages, written = [], []
        for (name, head), tenths_ms in zip(self._heads, durations, strict=False):
            stages.append(StageTime(name, tenths_ms * TENTH_MS_NS))
            written.append(head.with_time(tenths_ms))
        if len(stages) != len(self._heads):
            raise Malformed("the columns of a batch differ in length")
        return tuple(stages), b"".join(written)


def _texts(
    c: batch_pb2.CheckInColumns, indices: Iterable[int], field: str, tag: int
) -> dict[int, tuple[str, bytes]]:
    texts = {index: text(at(c.texts, index), field, MAX_TEXT) for index in set(indices)}
    return {index: (found, canonical.length_delimited(tag, found.encode())) for index, found in texts.items()}


def _modalities(found: batch_pb2.ModalitySet) -> tuple[tuple[Modality, ...], bytes]:
    values = list(found.modalities)
    modalities = tuple([known(_MODALITIES, value, "modality") for value in values])
    return modalities, canonical.length_delimited(0x32, bytes(values))


def _scores(column: Iterable[int], tag: int) -> dict[int, tuple[float | None, bytes]]:
    """Return score (natural logarithm) and field for each number of a column, as CheckInColumns has it."""
    found: dict[int, tuple[float | None, bytes]] = {}
    for value in set(column):
        if not value:
            found[value] = None, b""
            continue
        hundredths = value - 1 if value > 0 else value
        found[value] = hundredths / 100, bytes((tag,)) + canonical.zigzag(hundredths)
    return found
