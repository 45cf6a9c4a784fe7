"""What the appliances of a site say: values come back as they were, and nothing else comes in."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from aidpost.v1 import site_pb2
from firmware.mesh import codec
from firmware.mesh.codec import ListId, Malformed
from firmware.mesh.ledger import Claim, Collected, Collection, Free, Taken
from firmware.records import ClockQuality, Moment

MS_NS = 1_000_000
IDS = st.binary(min_size=16, max_size=16)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
TIMES_NS = st.integers(0, 2**42).map(lambda ms: ms * MS_NS)
MOMENTS = st.builds(Moment, IDS, TIMES_NS, TIMES_NS, st.sampled_from(ClockQuality))
HOLDS_NS = st.integers(1, codec.MAX_HOLD_MS).map(lambda ms: ms * MS_NS)
LIST = ListId("2026-11", b"r" * 16)


@given(IDS, st.builds(Claim, IDS, NAMES, HOLDS_NS))
def test_a_claim_comes_back_with_the_name_that_the_certificate_gives(household: bytes, asked: Claim) -> None:
    request = codec.claim_to(LIST, household, asked)
    assert codec.list_from(request.list) == LIST
    assert codec.claim_from(request, asked.device) == (household, asked)


@given(
    st.just(Free())
    | st.builds(Taken, NAMES, HOLDS_NS)
    | st.builds(Collected, st.builds(Collection, IDS, st.just(b"h" * 16), NAMES, MOMENTS))
)
def test_an_answer_comes_back(answer: Free | Taken | Collected) -> None:
    assert codec.answer_from(codec.answer_to(answer), b"h" * 16) == answer


@given(st.lists(st.builds(Collection, IDS, IDS, st.just("desk-1"), MOMENTS), max_size=4))
def test_collections_come_back(collections: list[Collection]) -> None:
    assert codec.given_from(codec.given_to(LIST, collections), "desk-1") == collections


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_what_they_are_not(noise: bytes) -> None:
    def parsed() -> None:
        codec.claim_from(site_pb2.ClaimRequest.FromString(noise), "desk-1")
        codec.release_from(site_pb2.ReleaseRequest.FromString(noise))
        codec.answer_from(site_pb2.ClaimResponse.FromString(noise), b"h" * 16)

    with pytest.raises((Malformed, DecodeError)):
        parsed()


def test_a_report_has_an_end() -> None:
    one = Collection(b"1" * 16, b"h" * 16, "desk-1", Moment(b"b" * 16, 0, 0, ClockQuality.UNSET))
    assert len(codec.given_from(codec.given_to(LIST, [one] * codec.MAX_GIVEN), "desk-1")) == codec.MAX_GIVEN
    with pytest.raises(Malformed, match="256"):
        codec.given_from(codec.given_to(LIST, [one] * (codec.MAX_GIVEN + 1)), "desk-1")
