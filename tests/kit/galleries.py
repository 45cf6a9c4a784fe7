"""Custodians, appliances and a gallery for tests: real keys, real files, cheap passphrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firmware.custodian.key_set import KeySet
from firmware.gallery import payload
from firmware.guard.file import open_file_guard
from firmware.store.reference import Reference
from tests.kit.store_values import PURPOSE, SITE, plain_templates
from trust.gallery.card import Card
from trust.gallery.change import Change, Kind, Part, first_link
from trust.gallery.opening import ApplianceKeys
from trust.gallery.roster import KEY_BYTES, Roster, wrap_context
from trust.gallery.sealing import Place, seal
from trust.keys.guard import KeyGuard
from trust.keys.secret import SecretKey
from trust.keys.stretching import Argon2Cost

CHEAP = Argon2Cost(memory_kib=64, passes=1, lanes=1)


def passphrase(number: int) -> bytearray:
    return bytearray(f"correct horse battery staple {number}", "ascii")


@dataclass
class Custodians:
    """Custodians with a key set in `folder`; what they make is `roster`."""

    folder: Path
    count: int = 1
    key_set: KeySet = field(init=False)

    def __post_init__(self) -> None:
        passphrases = [passphrase(number) for number in range(1, self.count + 1)]
        self.key_set = KeySet.init(self.folder, SITE, PURPOSE, passphrases, CHEAP)

    def admit(self, *cards: Card) -> Roster:
        with self.key_set.opened((), passphrase) as secret:
            for card in cards:
                self.key_set.admit(card, card.words, secret)
        return self.roster

    def rotate(self, *without: str) -> Roster:
        with self.key_set.opened((), passphrase) as secret:
            self.key_set.rotate(without, secret)
        return self.roster

    @property
    def roster(self) -> Roster:
        return Roster.parse(self.key_set.roster_path.read_bytes())


class Author:
    """An appliance as the cryptography sees it: its guard, its keys, and the changes that it made."""

    def __init__(self, folder: Path, device_id: str, site: str = SITE) -> None:
        folder.mkdir(parents=True)
        self.guard: KeyGuard = open_file_guard(folder, None)
        self.device_id = device_id
        with self.guard.store_key() as key:
            self.keys = ApplianceKeys.derived(key)
        self.card = Card.made(device_id, site, self.keys, self.guard)
        self._seq = 0
        self._before = b""

    def epoch_key(self, roster: Roster) -> SecretKey:
        member = roster.member_of(self.device_id)
        assert member is not None
        context = wrap_context(roster.gallery_id, roster.epoch, self.device_id, self.keys.author_public)
        with self.keys.unwrap(member.wrapped, context) as both, both.view() as view:
            return SecretKey.taken_from(bytearray(view[:KEY_BYTES]))

    def put(self, roster: Roster, reference: Reference, version: int = 1) -> Change:
        parts = []
        with self.epoch_key(roster) as key:
            for modality, content in payload.encode(reference.subject, plain_templates(reference)).items():
                place = Place(roster.gallery_id, roster.epoch, reference.entry_id, modality, version)
                parts.append(Part.of(modality, seal(key, place, content)))
        return self._change(roster, reference.entry_id, version, Kind.PUT, tuple(parts))

    def put_parts(self, roster: Roster, entry_id: bytes, parts: Sequence[Part]) -> Change:
        """Sign an entry of these parts, whatever they are."""
        return self._change(roster, entry_id, 1, Kind.PUT, tuple(parts))

    def erase(self, roster: Roster, entry_id: bytes, version: int) -> Change:
        return self._change(roster, entry_id, version, Kind.ERASE, ())

    def _change(
        self, roster: Roster, entry_id: bytes, version: int, kind: Kind, parts: tuple[Part, ...]
    ) -> Change:
        member = roster.member_of(self.device_id)
        assert member is not None
        before = self._before or first_link(roster.gallery_id, member.author_key)
        self._seq += 1
        change = Change(
            roster.gallery_id, member.number, self._seq, before, roster.epoch, entry_id, version, kind, parts
        ).signed(self.keys.author)
        self._before = change.link
        return change
