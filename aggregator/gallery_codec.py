"""The edge of the galleries: protobuf to values and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.codec import STRENGTHS
from aggregator.fields import counted, digest, identifier, known
from aggregator.holdings import Adjudication, Erasure, Gallery, Lease
from aggregator.malformed import Malformed
from aggregator.sealed import Asked, Carried
from aidpost.v1 import gallery_pb2
from trust.consent import Purpose
from trust.gallery.change import MAX_SEALED_BYTES, MAX_SEEN, SIGNATURE_BYTES, Change, Kind, Part
from trust.gallery.sealing import SealedModality
from trust.gallery.tree import BUCKETS, HASH_BYTES

MAX_PUSHED = 500
MAX_PARTS = len(SealedModality)
_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_KINDS = {
    gallery_pb2.CHANGE_KIND_PUT: Kind.PUT,
    gallery_pb2.CHANGE_KIND_ERASE: Kind.ERASE,
    gallery_pb2.CHANGE_KIND_SEEN: Kind.SEEN,
}
_MODALITIES = {
    gallery_pb2.SEALED_MODALITY_FACE: SealedModality.FACE,
    gallery_pb2.SEALED_MODALITY_FINGER: SealedModality.FINGER,
}

_STRENGTHS = {strength: message for message, strength in STRENGTHS.items()}
_FINDINGS = {
    gallery_pb2.FINDING_SAME_PERSON: True,
    gallery_pb2.FINDING_DIFFERENT_PEOPLE: False,
}


def parse_decision(request: gallery_pb2.DecideAdjudicationRequest) -> tuple[int, bool]:
    """Return the pair's number and whether it is one person; raises Malformed."""
    return counted(request.number, "number"), known(_FINDINGS, request.finding, "finding")


def parse_sync(request: gallery_pb2.SyncRequest) -> Asked:
    """Return what a device asks; raises Malformed."""
    if len(request.custodian) > 64:
        raise Malformed("custodian is too long")
    if len(request.buckets) not in (0, BUCKETS * HASH_BYTES):
        raise Malformed(f"buckets are {BUCKETS} hashes of {HASH_BYTES} bytes")
    steps = range(0, len(request.buckets), HASH_BYTES)
    return Asked(
        _purpose(request.purpose),
        request.custodian,
        request.edition,
        counted(request.version, "version"),
        digest(request.link, "link") if request.version else b"",
        counted(request.erasures_received, "erasures_received"),
        counted(request.changes_received, "changes_received"),
        tuple(request.buckets[at : at + HASH_BYTES] for at in steps) or None,
        request.everything,
        counted(request.max_bytes, "max_bytes"),
        counted(request.decisions, "decisions"),
        Lease(counted(request.lease_uptime_s, "lease_uptime_s"), request.lease_boots),
        {head.author: counted(head.seq, "heads") for head in request.heads},
        frozenset((each.author, each.seq) for each in request.lacking),
        request.roster_digest,
    )


def parse_push(request: gallery_pb2.PushChangesRequest) -> list[Carried]:
    """Return the changes; raises Malformed."""
    if not 0 < len(request.changes) <= MAX_PUSHED:
        raise Malformed(f"a push has 1 to {MAX_PUSHED} changes")
    gallery_id = identifier(request.gallery_id, "gallery_id")
    return [_carried(gallery_id, message) for message in request.changes]


def parse_logged(data: bytes) -> gallery_pb2.GalleryChange:
    """Return a change as it was kept."""
    return gallery_pb2.GalleryChange.FromString(data)


def gallery_state(gallery: Gallery) -> gallery_pb2.GalleryState:
    """Return one gallery as people see it."""
    return gallery_pb2.GalleryState(
        gallery_id=gallery.gallery_id,
        site=gallery.site,
        purpose=gallery.purpose,
        epoch=gallery.epoch,
        edition=gallery.edition,
        custodian=gallery.custodian,
        version=gallery.version,
        entries=gallery.entries,
        erased=gallery.erased,
        former_epoch=gallery.former_epoch,
        members=[
            gallery_pb2.GalleryMember(
                number=each.number,
                device_id=each.device_id,
                version=each.version,
                asked_at=None if each.asked_ns is None else _timestamp(each.asked_ns),
                erasures_to_confirm=each.erasures_to_confirm,
            )
            for each in gallery.members
        ],
    )


def erasure(told: Erasure) -> gallery_pb2.Erasure:
    """Return one erasure as people see it."""
    return gallery_pb2.Erasure(
        gallery_id=told.gallery_id,
        site=told.site,
        purpose=told.purpose,
        entry_id=told.entry_id,
        told_at=_timestamp(told.told_ns),
        told_by=told.told_by,
        confirmed_by=told.confirmed,
        unconfirmed_by=[
            gallery_pb2.UnconfirmedBy(
                device_id=each.device_id,
                asked_at=None if each.asked_ns is None else _timestamp(each.asked_ns),
                lease_uptime_s=each.lease.uptime_s,
                lease_boots=each.lease.boots,
                former_member=not each.is_member,
            )
            for each in told.unconfirmed
        ],
    )


def adjudication(pair: Adjudication) -> gallery_pb2.Adjudication:
    """Return a pair of entries as people see it."""
    return gallery_pb2.Adjudication(
        number=pair.number,
        gallery_id=pair.gallery_id,
        site=pair.site,
        purpose=pair.purpose,
        first=pair.first,
        second=pair.second,
        score_hundredths=round(pair.score_llr * 100),
        strength=_STRENGTHS[pair.strength],
        told_by=pair.told_by,
        told_at=_timestamp(pair.told_ns),
        finding=gallery_pb2.FINDING_UNSPECIFIED if pair.same is None else _finding(same=pair.same),
        proposed_by=pair.proposed_by,
        confirmed_by=pair.confirmed_by,
        decided_at=None if pair.decided_ns is None else _timestamp(pair.decided_ns),
    )


def decided(first: bytes, second: bytes, *, same: bool) -> gallery_pb2.Decided:
    """Return what was decided of a pair, as devices hear it."""
    return gallery_pb2.Decided(first=first, second=second, finding=_finding(same=same))


def _finding(*, same: bool) -> gallery_pb2.Finding.ValueType:
    return gallery_pb2.FINDING_SAME_PERSON if same else gallery_pb2.FINDING_DIFFERENT_PEOPLE


def published_card(card: bytes, published_ns: int) -> gallery_pb2.PublishedCard:
    """Return a card and when it came."""
    return gallery_pb2.PublishedCard(card=card, published_at=_timestamp(published_ns))


def _purpose(text: str) -> Purpose:
    try:
        return _PURPOSES[text]
    except KeyError:
        raise Malformed("purpose is not one that this version knows") from None


def _carried(gallery_id: bytes, message: gallery_pb2.GalleryChange) -> Carried:
    try:
        change = _change(gallery_id, message)
    except (DecodeError, OverflowError) as error:
        raise Malformed("a change cannot be read") from error
    replaced = gallery_pb2.GalleryChange()
    replaced.CopyFrom(message)
    for part, value in zip(replaced.parts, change.parts, strict=True):
        part.sealed, part.digest = b"", value.digest
    return Carried(change, message.SerializeToString(), replaced.SerializeToString())


def _change(gallery_id: bytes, message: gallery_pb2.GalleryChange) -> Change:
    if len(message.parts) > MAX_PARTS or len(message.seen) > MAX_SEEN:
        raise Malformed("a change has too many parts")
    if len(message.signature) != SIGNATURE_BYTES:
        raise Malformed(f"signature must be {SIGNATURE_BYTES} bytes")
    return Change(
        gallery_id,
        message.author,
        counted(message.seq, "seq"),
        digest(message.before, "before"),
        message.epoch,
        identifier(message.entry_id, "entry_id"),
        message.version,
        known(_KINDS, message.kind, "kind"),
        _parts(message.parts),
        tuple((each.author, counted(each.seq, "seen")) for each in message.seen),
        message.signature,
    )


def _parts(messages: Sequence[gallery_pb2.SealedPart]) -> tuple[Part, ...]:
    parts = []
    for message in messages:
        if len(message.sealed) > MAX_SEALED_BYTES:
            raise Malformed("a sealed part is too long")
        modality = known(_MODALITIES, message.modality, "modality")
        if message.sealed:
            parts.append(Part(modality, hashlib.sha256(message.sealed).digest(), message.sealed))
        else:
            parts.append(Part(modality, digest(message.digest, "digest"), None))
    return tuple(parts)


def _timestamp(wall_ns: int) -> Timestamp:
    return Timestamp(seconds=wall_ns // 1_000_000_000, nanos=wall_ns % 1_000_000_000)
