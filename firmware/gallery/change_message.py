"""A change of a gallery as protobuf, and back: on the wire and in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from aidpost.v1 import gallery_pb2
from trust.gallery.change import (
    ENTRY_ID_BYTES,
    LINK_BYTES,
    MAX_SEALED_BYTES,
    MAX_SEEN,
    SIGNATURE_BYTES,
    Change,
    Kind,
    Part,
)
from trust.gallery.errors import ChangeRefused
from trust.gallery.sealing import SealedModality
from trust.gallery.tree import HASH_BYTES

MAX_INT64 = 2**63 - 1  # what the store can hold
_KINDS = {
    gallery_pb2.CHANGE_KIND_PUT: Kind.PUT,
    gallery_pb2.CHANGE_KIND_ERASE: Kind.ERASE,
    gallery_pb2.CHANGE_KIND_SEEN: Kind.SEEN,
}
_MODALITIES = {
    gallery_pb2.SEALED_MODALITY_FACE: SealedModality.FACE,
    gallery_pb2.SEALED_MODALITY_FINGER: SealedModality.FINGER,
}
_OF_KINDS = {value: message for message, value in _KINDS.items()}
_OF_MODALITIES = {value: message for message, value in _MODALITIES.items()}


def to_message(change: Change) -> gallery_pb2.GalleryChange:
    """Return the message; its gallery goes with the call."""
    return gallery_pb2.GalleryChange(
        author=change.author,
        seq=change.seq,
        before=change.before,
        epoch=change.epoch,
        entry_id=change.entry_id,
        version=change.version,
        kind=_OF_KINDS[change.kind],
        parts=[_part(part) for part in change.parts],
        seen=[gallery_pb2.AuthorHead(author=author, seq=seq) for author, seq in change.seen],
        signature=change.signature,
    )


def from_message(gallery_id: bytes, message: gallery_pb2.GalleryChange) -> Change:
    """Return the change. Raises ChangeRefused for what is none of this version."""
    if (
        len(message.before) != LINK_BYTES
        or len(message.entry_id) != ENTRY_ID_BYTES
        or len(message.signature) != SIGNATURE_BYTES
        or message.kind not in _KINDS
        or len(message.seen) > MAX_SEEN
        or len(message.parts) > len(SealedModality)
        or max(message.seq, *(each.seq for each in message.seen), 0) > MAX_INT64
        or not all(_is_part(part) for part in message.parts)
    ):
        raise ChangeRefused("a change is not as this version knows them")
    return Change(
        gallery_id,
        message.author,
        message.seq,
        message.before,
        message.epoch,
        message.entry_id,
        message.version,
        _KINDS[message.kind],
        _parts(message.parts),
        tuple((each.author, each.seq) for each in message.seen),
        message.signature,
    )


def encoded(change: Change) -> bytes:
    """Return the message's bytes."""
    return to_message(change).SerializeToString()


def decoded(gallery_id: bytes, data: bytes) -> Change:
    """Return the change in `data`. Raises ChangeRefused."""
    try:
        return from_message(gallery_id, gallery_pb2.GalleryChange.FromString(data))
    except DecodeError as error:
        raise ChangeRefused("a change cannot be read") from error


def _part(part: Part) -> gallery_pb2.SealedPart:
    if part.sealed is None:
        return gallery_pb2.SealedPart(modality=_OF_MODALITIES[part.modality], digest=part.digest)
    return gallery_pb2.SealedPart(modality=_OF_MODALITIES[part.modality], sealed=part.sealed)


def _is_part(message: gallery_pb2.SealedPart) -> bool:
    size = len(message.sealed)
    digest = len(message.digest) == (0 if size else HASH_BYTES)
    return message.modality in _MODALITIES and size <= MAX_SEALED_BYTES and digest


def _parts(messages: Sequence[gallery_pb2.SealedPart]) -> tuple[Part, ...]:
    return tuple(
        Part(_MODALITIES[each.modality], hashlib.sha256(each.sealed).digest(), each.sealed)
        if each.sealed
        else Part(_MODALITIES[each.modality], each.digest, None)
        for each in messages
    )
