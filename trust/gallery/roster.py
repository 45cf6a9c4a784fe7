"""The roster of a gallery: which appliances may read and write it, signed by the custodian.

It carries the gallery's key, wrapped for each of them. The aggregator hands rosters on and can make none:
each appliance knows its custodian by the words in its configuration. A roster names all before it: one
that was made from an older copy of the key set, and lets in whoever was taken out since, is known by that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trust.consent import Purpose
from trust.gallery import fields
from trust.gallery.card import AUTHOR_BYTES, Card
from trust.gallery.errors import RosterRefused
from trust.gallery.opening import wrap
from trust.names import is_name

GALLERY_ID_BYTES = 16
KEY_BYTES = 32
SECRET_BYTES = 2 * KEY_BYTES
MAX_MEMBERS = 64
MAX_ROSTER_BYTES = MAX_MEMBERS * 2048
DIGEST_BYTES = 32
_MAGIC = b"aidpost gallery roster 2"
_NUMBER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Member:
    """One appliance of a gallery.

    number: what its changes name it by, from 1, never given twice. wrapped: the epoch's key and the template
    key for it alone, `SECRET_BYTES` together.
    """

    number: int
    device_id: str
    author_key: bytes
    wrapped: bytes

    @classmethod
    def admitted(cls, number: int, card: Card, gallery_id: bytes, epoch: int, secret: memoryview) -> Self:
        """Wrap the gallery's secret for the holder of a card. Raises CardRefused."""
        context = wrap_context(gallery_id, epoch, card.device_id, card.author_key)
        return cls(number, card.device_id, card.author_key, wrap(secret, card.opening_key, context))


@dataclass(frozen=True, slots=True)
class Roster:
    """epoch: rises when the gallery's key is another. edition: rises by one with each roster of the gallery.

    former: the digests of the rosters before, from edition 1.
    """

    gallery_id: bytes
    site: str
    purpose: Purpose
    epoch: int
    edition: int
    custodian_key: bytes
    members: tuple[Member, ...]
    former: tuple[bytes, ...] = ()
    signature: bytes = b""

    def signed(self, key: Ed25519PrivateKey) -> Roster:
        """Return it with the custodian's signature."""
        return replace(self, signature=key.sign(self._statement()))

    def encoded(self) -> bytes:
        """Return the roster as it is handed on."""
        return self._statement() + fields.join([self.signature])

    @property
    def digest(self) -> bytes:
        """What later rosters name it by: SHA-256 of all of it."""
        return hashlib.sha256(self.encoded()).digest()

    def follows(self, known: Roster) -> bool:
        """Whether this roster was made after `known`, and of the same key set."""
        return self.edition > known.edition and self.former[known.edition - 1] == known.digest

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a roster and check its signature by the key that it names itself. Raises RosterRefused."""
        try:
            if len(data) > MAX_ROSTER_BYTES:
                raise ValueError("too long")
            magic, gallery_id, site, purpose, epoch, edition, key, members, former, signature = fields.split(
                data
            )
            if magic != _MAGIC or len(gallery_id) != GALLERY_ID_BYTES or len(key) != AUTHOR_BYTES:
                raise ValueError("no roster")
            roster = cls(
                gallery_id,
                site.decode(),
                Purpose(purpose.decode()),
                _number(epoch),
                _number(edition),
                key,
                tuple(_member(each) for each in fields.split(members)),
                tuple(former[at : at + DIGEST_BYTES] for at in range(0, len(former), DIGEST_BYTES)),
                signature,
            )
            roster._check()
            Ed25519PublicKey.from_public_bytes(key).verify(signature, roster._statement())
        except InvalidSignature as error:
            raise RosterRefused("the roster is not signed by the custodian that it names") from error
        except ValueError as error:
            raise RosterRefused("this is no roster of a gallery, or it is damaged") from error
        return roster

    @property
    def custodian_words(self) -> str:
        """What stands in the configuration of each appliance of the gallery."""
        return custodian_words(self.custodian_key)

    def member(self, number: int) -> Member | None:
        """Return the member with this number, or None."""
        return next((each for each in self.members if each.number == number), None)

    def member_of(self, device_id: str) -> Member | None:
        """Return the member that is this device, or None."""
        return next((each for each in self.members if each.device_id == device_id), None)

    def _check(self) -> None:
        numbers = {each.number for each in self.members}
        names = {each.device_id for each in self.members}
        if not (len(numbers) == len(names) == len(self.members) <= MAX_MEMBERS) or not all(
            map(is_name, names)
        ):
            raise ValueError("a member stands there twice or is no device")
        if not is_name(self.site) or min((self.epoch, self.edition, *numbers)) < 1:
            raise ValueError("numbers begin with 1")
        if len(b"".join(self.former)) != (self.edition - 1) * DIGEST_BYTES:
            raise ValueError("a roster names those before it")

    def _statement(self) -> bytes:
        members = [
            fields.join([_bytes(each.number), each.device_id.encode(), each.author_key, each.wrapped])
            for each in self.members
        ]
        return fields.join(
            [
                _MAGIC,
                self.gallery_id,
                self.site.encode(),
                self.purpose.value.encode(),
                _bytes(self.epoch),
                _bytes(self.edition),
                self.custodian_key,
                fields.join(members),
                b"".join(self.former),
            ]
        )


def custodian_words(public_key: bytes) -> str:
    """Return the words of a custodian's key; public_key: Ed25519, 32 bytes."""
    return fields.words(b"aidpost custodian" + public_key)


def wrap_context(gallery_id: bytes, epoch: int, device_id: str, author_key: bytes) -> bytes:
    """Return what a wrapped key is bound to."""
    return fields.join([b"aidpost gallery wrap 1", gallery_id, _bytes(epoch), device_id.encode(), author_key])


def _member(data: bytes) -> Member:
    number, device_id, author_key, wrapped = fields.split(data)
    if len(author_key) != AUTHOR_BYTES:
        raise ValueError("no author's key")
    return Member(_number(number), device_id.decode(), author_key, wrapped)


def _bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


def _number(data: bytes) -> int:
    if len(data) != _NUMBER_BYTES:
        raise ValueError("no number")
    return int.from_bytes(data, "big")
