"""Whatever bytes come over the wire, on a stick or in a file: a refusal or a value, and bounded memory."""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator import codec as server
from aggregator import state_codec
from aggregator.bundles import BundleRefused, parse_bundle
from aggregator.malformed import Malformed
from aggregator.records import Batch, Hello
from aggregator.state_codec import parse_reported, reported
from aggregator.unpacking import MAX_UNPACKED_BYTES
from aidpost.v1 import batch_pb2, bundle_pb2, event_pb2, ingest_pb2, link_pb2, state_pb2
from firmware.store.trail import TrailUnreadable, read_lines
from firmware.uplink import codec as device
from firmware.uplink.bundles import ReceiptUnreadable, read_receipt
from firmware.uplink.packing import pack
from firmware.uplink.state_message import Desired, from_message, to_message
from tests.kit.link_device import EPOCH, check_in, device_fault, registration
from trust.bundle import MAGIC, RECEIPT_MAGIC, batch_digest, signed_part
from trust.checking import public_key_der
from trust.state import (
    Artifact,
    ArtifactKind,
    DesiredResult,
    DesiredState,
    Refusal,
    ReportedState,
    ServiceWindow,
)

MAX_EVENTS = 500
KEY = ec.generate_private_key(ec.SECP256R1())
EVENTS = [check_in(1), registration(2), device_fault(3), check_in(5), check_in(6)]
COLUMNS = zstandard.ZstdDecompressor().decompress(pack(EVENTS, bytes(32)).packed)
HELLO = link_pb2.Hello(
    device_id="desk-1",
    epoch=EPOCH,
    last_seq=6,
    software_version="1",
    site="gate",
    generation=1,
    instance=EPOCH,
)
REPORTED = state_pb2.ReportedState(
    generation=3,
    result=state_pb2.DESIRED_RESULT_REFUSED,
    digest=bytes(32),
    refusals=[state_pb2.Refusal(field="settings.session.tries", reason="write a number from 1 to 5")],
    software_version="0.1.0",
    settings=[state_pb2.Setting(name="session.tries", value="3")],
    artifacts=[
        state_pb2.Artifact(kind=state_pb2.ARTIFACT_KIND_POLICY, version="1", digest=bytes(32), bytes=3)
    ],
    known_settings=["session.tries"],
)
RECEIPT = bundle_pb2.BundleReceipt(device_id="desk-1", epoch=EPOCH, seq=6, receipt=bytes(64))


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some of them changed, left out, doubled or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del content[place : place + draw(st.integers(1, 8))]
            case 2:
                content[place:place] = content[place : place + draw(st.integers(1, 8))]
            case _:
                content[place:place] = draw(st.binary(max_size=12))
    return bytes(content)


def zipped(content: bytes) -> batch_pb2.EventBatch:
    return batch_pb2.EventBatch(
        packed=zstandard.ZstdCompressor(level=1).compress(content), chain_head=bytes(32)
    )


def parsed_or_refused(batch: batch_pb2.EventBatch) -> Batch | None:
    try:
        batch_read = server.parse_batch(batch, max_events=MAX_EVENTS)
    except Malformed:
        return None
    seqs = [event.seq for event in batch_read.events]
    assert seqs == sorted(set(seqs))
    assert 0 < len(seqs) <= MAX_EVENTS
    return batch_read


@given(
    st.binary(max_size=400)
    | damaged(link_pb2.ConnectRequest(hello=HELLO).SerializeToString())
    | damaged(link_pb2.ConnectRequest(reported=REPORTED).SerializeToString())
)
@example(link_pb2.ConnectRequest(reported=REPORTED).SerializeToString())
def test_any_request_is_a_hello_a_batch_a_report_or_refused(data: bytes) -> None:
    try:
        request = server.parse_request(link_pb2.ConnectRequest.FromString(data), max_events=MAX_EVENTS)
    except (Malformed, DecodeError):
        return
    assert isinstance(request, Hello | Batch | ReportedState)
    if isinstance(request, ReportedState):
        assert parse_reported(reported(request)) == request, "what was taken can be shown and is the same"


@given(
    damaged(ingest_pb2.ReportResultsRequest(hello=HELLO, batch=pack(EVENTS, bytes(32))).SerializeToString())
)
def test_any_single_report_is_read_or_refused(data: bytes) -> None:
    try:
        server.parse_report(ingest_pb2.ReportResultsRequest.FromString(data), max_events=MAX_EVENTS)
    except (Malformed, DecodeError):
        return


@given(st.binary(max_size=400) | damaged(pack(EVENTS, bytes(32)).packed))
def test_any_frame_is_unpacked_or_refused(packed: bytes) -> None:
    parsed_or_refused(batch_pb2.EventBatch(packed=packed, chain_head=bytes(32)))


@given(st.binary(max_size=400) | damaged(COLUMNS))
@example(COLUMNS)
def test_any_columns_are_events_or_refused(columns: bytes) -> None:
    parsed_or_refused(zipped(columns))


UINT64 = st.integers(0, 2**64 - 1)
SINT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(UINT64, max_size=4), st.lists(SINT64, max_size=4), st.lists(SINT64, max_size=4), st.data())
def test_columns_of_any_numbers_are_events_or_refused(
    steps: list[int], monotonic: list[int], offsets: list[int], data: st.DataObject
) -> None:
    count = len(steps)
    columns = batch_pb2.PackedEvents.FromString(COLUMNS)
    del columns.seq_steps[:], columns.monotonic_steps_ms[:], columns.offset_steps_ms[:]
    columns.seq_steps.extend(steps)
    columns.monotonic_steps_ms.extend(monotonic)
    columns.offset_steps_ms.extend(offsets)
    for column in (columns.boots, columns.clock_qualities):
        del column[min(count, len(column)) :]
    del columns.other_places[:]
    columns.other_places.extend(data.draw(st.lists(st.integers(0, 5), min_size=2, max_size=2)))
    parsed_or_refused(zipped(columns.SerializeToString()))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


BOMBS = {
    "a million events": lambda: (
        zipped(batch_pb2.PackedEvents(seq_steps=[1] * 1_000_000).SerializeToString()).packed
    ),
    "five hundred times one long text": lambda: zipped(long_text()).packed,
    "a window of two gigabytes": lambda: b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(64),
    "a megabyte of empty messages": lambda: (
        zipped(
            batch_pb2.PackedEvents(
                seq_steps=[1], others=[event_pb2.Event() for _ in range(300_000)]
            ).SerializeToString()
        ).packed
    ),
}


def long_text() -> bytes:
    columns = batch_pb2.PackedEvents.FromString(
        zstandard.ZstdDecompressor().decompress(
            pack([check_in(seq) for seq in range(1, 501)], bytes(32)).packed
        )
    )
    columns.check_ins.texts[:] = ["x" * 900_000 for _ in columns.check_ins.texts[:1]] + list(
        columns.check_ins.texts[1:]
    )
    return columns.SerializeToString()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_for_little_memory(name: str) -> None:
    packed = BOMBS[name]()
    before_mb = peak_mb()
    with pytest.raises(Malformed):
        server.parse_batch(batch_pb2.EventBatch(packed=packed, chain_head=bytes(32)), max_events=MAX_EVENTS)
    assert peak_mb() - before_mb < 64


def test_a_frame_that_unpacks_to_a_gigabyte_is_refused_by_its_header() -> None:
    # The header alone: a magic number, a content size of eight bytes and a window, as the format has them.
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 30).to_bytes(8, "little") + bytes(64)
    before_mb = peak_mb()
    with pytest.raises(Malformed, match=str(MAX_UNPACKED_BYTES)):
        server.parse_batch(batch_pb2.EventBatch(packed=frame, chain_head=bytes(32)), max_events=MAX_EVENTS)
    assert peak_mb() - before_mb < 16


ANSWERS = [
    link_pb2.ConnectResponse(welcome=link_pb2.Welcome(acked_seq=3, max_batch_events=5, receipt_key=b"k")),
    link_pb2.ConnectResponse(ack=link_pb2.Ack(seq=3, credit=link_pb2.Credit(events=1), receipt=b"r")),
    link_pb2.ConnectResponse(command=link_pb2.Command(command_id=EPOCH, kind=1)),  # type: ignore[arg-type]
    link_pb2.ConnectResponse(
        desired=state_codec.desired(
            DesiredState(
                3,
                {"session.tries": "2"},
                (Artifact(ArtifactKind.POLICY, "1", "ab" * 32, 10),),
                ServiceWindow("UTC", 0, 3600, (0, 6)),
            )
        )
    ),
]


ANSWERED = device.Welcome | device.Ack | device.Command | Desired | device.Malformed


@given(
    st.binary(max_size=200)
    | st.sampled_from(ANSWERS).flatmap(lambda answer: damaged(answer.SerializeToString()))
)
def test_any_answer_is_understood_or_refused_as_a_value(data: bytes) -> None:
    assert isinstance(device.answer(data), ANSWERED)


DESIRED = DesiredState(
    3,
    {"session.tries": "2", "attack.active": "true"},
    (Artifact(ArtifactKind.OPERATING_POINT, "field", "ab" * 32, 10),),
    ServiceWindow("Africa/Nairobi", 20 * 3600, 4 * 3600, (0, 6)),
)


def test_what_is_desired_arrives_as_it_was_sent_and_anything_else_is_refused_whole() -> None:
    message = state_codec.desired(DESIRED)
    assert from_message(message) == Desired(DESIRED)
    message.settings[0].value = "false"
    changed = from_message(message)
    assert changed is not None
    assert [each.field for each in changed.refusals] == ["digest"]
    message.artifacts[0].kind = 99  # type: ignore[assignment]
    unknown = from_message(message)
    assert unknown is not None
    assert "desire newer software first" in unknown.refusals[0].reason


@given(st.text(max_size=400), st.text(max_size=400), st.integers(1, 300))
def test_the_aggregator_takes_whatever_an_appliance_says_of_itself(
    field: str, reason: str, refusals: int
) -> None:
    said = ReportedState(
        7,
        DesiredResult.REFUSED,
        "",
        (Refusal(field, reason),) * refusals,
        "0.1.0",
        {"session.tries": "2"},
        (Artifact(ArtifactKind.OPERATING_POINT, field, "ab" * 32, 10),),
        ("session.tries",),
    )
    taken = parse_reported(to_message(said))
    assert (taken.generation, taken.result, taken.settings) == (7, said.result, said.settings)
    assert len(taken.refusals) == min(refusals, 100)


def bundle() -> bundle_pb2.Bundle:
    batches = [pack([check_in(1), check_in(2)], bytes(32)), pack([check_in(3)], bytes(32))]
    statement = bundle_pb2.BundleStatement(
        hello=HELLO,
        first_seq=1,
        last_seq=3,
        batch_digests=[batch_digest(batch.SerializeToString(deterministic=True)) for batch in batches],
        public_key=public_key_der(KEY.public_key()),
    ).SerializeToString(deterministic=True)
    return bundle_pb2.Bundle(statement=statement, signature=signed(statement), batches=batches)


def signed(statement: bytes) -> bytes:
    return KEY.sign(signed_part(statement), ec.ECDSA(hashes.SHA256()))


WHOLE = bundle()


@given(st.binary(max_size=400) | damaged(WHOLE.SerializeToString()))
def test_any_bundle_is_the_one_that_was_signed_or_refused(content: bytes) -> None:
    try:
        read = parse_bundle(MAGIC + content)
    except BundleRefused:
        return
    assert (read.first_seq, read.last_seq) == (1, 3)


@given(damaged(WHOLE.statement))
def test_any_statement_is_read_or_refused_even_if_a_device_signed_it(statement: bytes) -> None:
    hostile = bundle_pb2.Bundle(
        statement=statement, signature=signed(statement), batches=WHOLE.batches
    ).SerializeToString()
    try:
        parse_bundle(MAGIC + hostile)
    except BundleRefused:
        return


def test_any_receipt_file_is_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(3)  # noqa: S311
    whole = RECEIPT_MAGIC + RECEIPT.SerializeToString()
    path = tmp_path / "a.receipt"
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content[: rng.randint(0, len(content))]))
        try:
            read_receipt(path)
        except ReceiptUnreadable:
            continue


LINES = st.text(max_size=80) | st.sampled_from(
    ['{"head":1}', '{"row":[1,2,3]}', '{"receipt":null}', '{"device key":"AA=="}', '{"signature":"x"}', "{}"]
)


@given(st.lists(LINES, max_size=6))
def test_any_audit_file_is_refused_unless_its_device_signed_it(lines: list[str]) -> None:
    with pytest.raises(TrailUnreadable):
        read_lines(iter(lines))
