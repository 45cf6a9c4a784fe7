"""An appliance's card: the keys with which it takes part in a gallery, signed by its device key.

The aggregator hands cards on; it could hand on others. So the custodian compares the words of a card with
those that the appliance itself shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trust.checking import public_key_der
from trust.gallery import fields
from trust.gallery.errors import CardRefused
from trust.gallery.opening import PUBLIC_BYTES, ApplianceKeys
from trust.keys.guard import KeyGuard
from trust.names import is_name

AUTHOR_BYTES = 32
MAX_CARD_BYTES = 4096  # ours have some 1,600
_MAGIC = b"aidpost gallery card 1"


@dataclass(frozen=True, slots=True)
class Card:
    """The keys of one appliance.

    opening_key: 1,216 bytes. author_key: Ed25519, 32 bytes. device_key: P-256, SubjectPublicKeyInfo (DER).
    """

    device_id: str
    site: str
    opening_key: bytes
    author_key: bytes
    device_key: bytes
    signature: bytes

    @classmethod
    def made(cls, device_id: str, site: str, keys: ApplianceKeys, guard: KeyGuard) -> Self:
        """Sign a card with the device key. Raises GuardError."""
        device_key = public_key_der(guard.public_key())
        statement = _statement(device_id, site, keys.public, keys.author_public, device_key)
        return cls(device_id, site, keys.public, keys.author_public, device_key, guard.sign(statement))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a card and check its signature. Raises CardRefused."""
        try:
            if len(data) > MAX_CARD_BYTES:
                raise ValueError("too long")
            magic, device_id, site, opening_key, author_key, device_key, signature = fields.split(data)
            if magic != _MAGIC or len(opening_key) != PUBLIC_BYTES or len(author_key) != AUTHOR_BYTES:
                raise ValueError("no card")
            card = cls(device_id.decode(), site.decode(), opening_key, author_key, device_key, signature)
        except ValueError as error:
            raise CardRefused("this is no card of an appliance, or it is damaged") from error
        if not (is_name(card.device_id) and is_name(card.site)):
            raise CardRefused("the card names no device and site")
        card._check_signature()
        return card

    def encoded(self) -> bytes:
        """Return the card as it is handed on."""
        return self._statement() + fields.join([self.signature])

    @property
    def words(self) -> str:
        """What the custodian compares with what the appliance shows; covers everything on the card."""
        return fields.words(self._statement())

    def _statement(self) -> bytes:
        return _statement(self.device_id, self.site, self.opening_key, self.author_key, self.device_key)

    def _check_signature(self) -> None:
        try:
            key = serialization.load_der_public_key(self.device_key)
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
                raise CardRefused("the card's device key is not of P-256")
            key.verify(self.signature, self._statement(), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
            raise CardRefused("the card is not signed by the device that it names") from error


def _statement(device_id: str, site: str, opening_key: bytes, author_key: bytes, device_key: bytes) -> bytes:
    return fields.join([_MAGIC, device_id.encode(), site.encode(), opening_key, author_key, device_key])
