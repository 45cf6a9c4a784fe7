"""Whatever bytes come as a change, a roster, a card or a sealed part: a value, or a typed refusal."""

from __future__ import annotations

from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from aggregator import gallery_codec
from aggregator.malformed import Malformed
from aidpost.v1 import gallery_pb2
from firmware.gallery import change_message, payload
from tests.unit.test_wire_fuzz import damaged
from trust.consent import Purpose
from trust.gallery.card import Card
from trust.gallery.change import Change, Kind, Part
from trust.gallery.errors import CardRefused, ChangeRefused, EntryRefused, RosterRefused
from trust.gallery.judge import Judge
from trust.gallery.roster import Member, Roster
from trust.gallery.sealing import SealedModality

GALLERY = b"the gallery's id"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ROSTER = Roster(
    GALLERY,
    "site-1",
    Purpose.CLINIC_CHECK_IN,
    1,
    3,
    PUBLIC,
    (Member(1, "desk-1", PUBLIC, bytes(64)),),
    (bytes(32), bytes(range(32))),
)
PARTS = (
    Part.of(SealedModality.FACE, bytes(range(200))),
    Part.of(SealedModality.FINGER, bytes(90)),
)
CHANGE = Change(GALLERY, 1, 1, bytes(32), 1, bytes(16), 1, Kind.PUT, PARTS, ((2, 4),)).signed(KEY)
MESSAGE = change_message.encoded(CHANGE)
PUSH = gallery_pb2.PushChangesRequest(
    gallery_id=GALLERY, changes=[change_message.to_message(CHANGE)]
).SerializeToString()
SYNC = gallery_pb2.SyncRequest(
    purpose="clinic check-in", custodian="words", version=3, link=bytes(32), buckets=bytes(8192)
).SerializeToString()


@given(damaged(MESSAGE))
def test_any_message_is_a_change_that_its_author_signed_or_refused(data: bytes) -> None:
    judge = Judge(GALLERY, {1: ROSTER}, {}, lambda _: None, epoch=0, in_full=True)
    with suppress(ChangeRefused):
        change = change_message.decoded(GALLERY, data)
        judge.take(change)
        assert change.link == CHANGE.link


@given(damaged(PUSH), damaged(SYNC))
def test_any_request_is_read_or_refused_by_the_aggregator(push: bytes, sync: bytes) -> None:
    with suppress(DecodeError, Malformed):
        gallery_codec.parse_push(gallery_pb2.PushChangesRequest.FromString(push))
    with suppress(DecodeError, Malformed):
        gallery_codec.parse_sync(gallery_pb2.SyncRequest.FromString(sync))


@given(damaged(ROSTER.signed(KEY).encoded()))
def test_any_roster_is_the_one_that_was_signed_or_refused(data: bytes) -> None:
    with suppress(RosterRefused):
        assert Roster.parse(data).members == ROSTER.members


@given(st.binary(max_size=400))
def test_any_card_is_refused(data: bytes) -> None:
    with suppress(CardRefused):
        raise AssertionError(Card.parse(data))


@given(st.sampled_from(SealedModality), st.binary(max_size=400))
def test_any_content_of_a_sealed_part_is_read_or_refused(modality: SealedModality, content: bytes) -> None:
    with suppress(EntryRefused):
        payload.decode(modality, content)
