"""A gallery's key set: what the custodians hold, and the rosters that they make of it.

`set.json` says which gallery it is and who its members are; the secrets in it are encrypted under the secret
that the custodians' shares make together. `gallery.roster` is what is handed to the aggregator.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.custodian import shares
from firmware.custodian.errors import CustodianError
from firmware.custodian.shares import Share
from firmware.guard.private_file import write_private
from firmware.guard.wrapping import KEK_BYTES, unwrap, wrap
from trust.consent import Purpose
from trust.gallery.card import Card
from trust.gallery.errors import CardRefused
from trust.gallery.roster import (
    GALLERY_ID_BYTES,
    KEY_BYTES,
    MAX_MEMBERS,
    MAX_ROSTER_BYTES,
    Member,
    Roster,
    custodian_words,
)
from trust.keys.errors import GuardUnavailable, KeysDamaged
from trust.keys.secret import SecretKey
from trust.keys.stretching import Argon2Cost

SET = "set.json"
ROSTER = "gallery.roster"
_FORMAT = "aidpost custodian set 2"
_MAX_BYTES = 1 << 20  # 64 cards and the digests of as many rosters as one can name are some 300 kB


class KnownCard(msgspec.Struct, frozen=True):
    """A member's card as the custodian compared it; number: see `trust.gallery.roster.Member`."""

    number: int
    card: bytes


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str = _FORMAT
    gallery_id: bytes
    site: str
    purpose: Purpose
    custodians: int
    custodian_key: bytes
    signing_seed: bytes
    template_key: bytes
    epoch_key: bytes
    epoch: int = 1
    edition: int = 0
    former: tuple[bytes, ...] = ()
    last_number: int = 0
    members: tuple[KnownCard, ...] = ()
    seal: bytes = b""

    def sealed(self, secret: SecretKey) -> bytes:
        """Return what binds the file to its secret, so that nobody else writes a member into it."""
        content = msgspec.json.encode(msgspec.structs.replace(self, seal=b""))
        with secret.view() as view:
            key = hmac.digest(view, b"aidpost custodian set seal 1", "sha256")
        return hmac.digest(key, content, "sha256")


class KeySet:
    """One gallery's key set, as its folder holds it; `opened` lends what signs and wraps."""

    def __init__(self, folder: Path, file: _File) -> None:
        self._folder = folder
        self._file = file

    @classmethod
    def init(
        cls, folder: Path, site: str, purpose: Purpose, passphrases: Sequence[bytearray], cost: Argon2Cost
    ) -> Self:
        """Make a key set with one share for each passphrase; the passphrases are overwritten.

        Raises CustodianError.
        """
        if (folder / SET).exists():
            raise CustodianError(f"there is a key set in {folder} already: name another folder")
        gallery_id = os.urandom(GALLERY_ID_BYTES)
        with SecretKey.random(KEK_BYTES) as secret, SecretKey.random(KEY_BYTES) as seed:
            made = shares.split(secret, passphrases, gallery_id, cost)
            with seed.view() as view:
                public = Ed25519PrivateKey.from_private_bytes(view).public_key().public_bytes_raw()
                signing_seed = wrap(secret, view, _context(gallery_id, "signing"))
            file = _File(
                gallery_id=gallery_id,
                site=site,
                purpose=purpose,
                custodians=len(made),
                custodian_key=public,
                signing_seed=signing_seed,
                template_key=_new_key(secret, gallery_id, "template"),
                epoch_key=_new_key(secret, gallery_id, "epoch 1"),
            )
            file = msgspec.structs.replace(file, seal=file.sealed(secret))
        _make_folder(folder)
        for share in made:
            _write(folder / share_name(share.number), msgspec.json.encode(share))
        key_set = cls(folder, file)
        key_set._write_file()
        return key_set

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what is not secret. Raises CustodianError."""
        try:
            with (folder / SET).open("rb") as opened:
                file = msgspec.json.decode(opened.read(_MAX_BYTES), type=_File)
        except OSError as error:
            raise CustodianError(
                f"cannot read {folder / SET} ({error.strerror}): name the folder that `init` made"
            ) from error
        except msgspec.DecodeError as error:
            raise CustodianError(f"{folder / SET} is no key set, or it is damaged") from error
        if file.format != _FORMAT:
            raise CustodianError(
                f"{folder / SET} was written by another version of Aidpost: use that one, or make "
                "a new gallery"
            )
        return cls(folder, file)

    @property
    def facts(self) -> _File:
        """Gallery, site, purpose, epoch, edition and members."""
        return self._file

    @property
    def words(self) -> str:
        """What each appliance of the gallery has in its configuration."""
        return custodian_words(self._file.custodian_key)

    @property
    def roster_path(self) -> Path:
        """Where the newest roster lies."""
        return self._folder / ROSTER

    def cards(self) -> list[tuple[int, Card]]:
        """Return the members' numbers and cards. Raises CustodianError."""
        try:
            return [(known.number, card) for known, card in self._known()]
        except CardRefused as error:
            raise CustodianError(
                f"a member's card in {self._folder / SET} is damaged: take the copy that was kept of it"
            ) from error

    def admit(self, card: Card, words: str, secret: SecretKey) -> None:
        """Wrap the gallery's key for the holder of a card too; a former card of the device is replaced.

        words: as the appliance shows them. Raises CustodianError and CardRefused.
        """
        file = self._file
        if card.site != file.site:
            raise CardRefused(f"{card.device_id} is of the site {card.site}, and this gallery of {file.site}")
        if card.words != words.strip().lower():
            raise CardRefused(
                f"the card of {card.device_id} has the words {card.words}, not those that were typed: "
                "compare them with the appliance itself (`aidpost gallery card`)"
            )
        if any(known.card == card.encoded() for known in file.members):
            raise CustodianError(f"{card.device_id} is a member with this card already")
        others = tuple(known for known, held in self._known() if held.device_id != card.device_id)
        if len(others) < len(file.members):
            # Who held the former card, a copied one perhaps, reads what is sealed under the present key.
            raise CustodianError(
                f"{card.device_id} is a member with another card: first take that out with "
                f"`aidpost custodian rotate --without {card.device_id}`"
            )
        if len(others) >= MAX_MEMBERS:
            raise CustodianError(
                f"the gallery has {MAX_MEMBERS} members, as many as a roster can carry: take one out with "
                "`aidpost custodian rotate --without` first"
            )
        number = file.last_number + 1
        members = (*others, KnownCard(number, card.encoded()))
        self._make_roster(msgspec.structs.replace(file, members=members, last_number=number), secret)

    def rotate(self, without: Sequence[str], secret: SecretKey) -> None:
        """Take members out and give the others another key. Raises CustodianError."""
        file = self._file
        known = {card.device_id for _, card in self._known()}
        if strangers := sorted(set(without) - known):
            raise CustodianError(f"{strangers[0]} is no member of this gallery: see `aidpost custodian show`")
        epoch = file.epoch + 1
        remaining = tuple(each for each, card in self._known() if card.device_id not in without)
        epoch_key = _new_key(secret, file.gallery_id, f"epoch {epoch}")
        self._make_roster(
            msgspec.structs.replace(file, epoch=epoch, epoch_key=epoch_key, members=remaining), secret
        )

    def change_passphrase(self, share_path: Path, former: bytearray, new: bytearray) -> None:
        """Put a share under another passphrase. Raises CustodianError."""
        _write(share_path, msgspec.json.encode(shares.rewrapped(self._share(share_path), former, new)))

    @contextmanager
    def opened(self, share_paths: Sequence[Path], ask: Callable[[int], bytearray]) -> Iterator[SecretKey]:
        """Lend the set's secret; ask: for the passphrase of the custodian with this number.

        share_paths: where the shares lie, in any order; empty for all in the set's folder. Raises
        CustodianError.
        """
        paths = share_paths or [self._folder / share_name(n) for n in range(1, self._file.custodians + 1)]
        found = {share.number: share for share in map(self._share, paths)}
        if missing := sorted(set(range(1, self._file.custodians + 1)) - set(found)):
            raise CustodianError(f"the share of custodian {missing[0]} is needed too: name it with --share")
        ordered = [found[number] for number in sorted(found)]
        passphrases = [ask(share.number) for share in ordered]
        with shares.joined(ordered, passphrases) as secret:
            if not hmac.compare_digest(self._file.sealed(secret), self._file.seal):
                raise CustodianError(
                    f"{self._folder / SET} was changed by another program: take the copy that was kept of it"
                )
            yield secret

    def _share(self, path: Path) -> Share:
        share = shares.read_share(path)
        if share.gallery_id != self._file.gallery_id or share.of != self._file.custodians:
            raise CustodianError(f"{path} is a share of another key set")
        return share

    def _known(self) -> list[tuple[KnownCard, Card]]:
        return [(known, Card.parse(known.card)) for known in self._file.members]

    def _make_roster(self, changed: _File, secret: SecretKey) -> None:
        file = msgspec.structs.replace(changed, edition=self._file.edition + 1)
        with (
            self._unwrapped(secret, file.epoch_key, f"epoch {file.epoch}") as epoch_key,
            self._unwrapped(secret, file.template_key, "template") as template_key,
            SecretKey(2 * KEY_BYTES) as both,
            both.view() as view,
        ):
            with epoch_key.view() as first, template_key.view() as second:
                view[:KEY_BYTES], view[KEY_BYTES:] = first, second
            members = tuple(
                Member.admitted(known.number, card, file.gallery_id, file.epoch, view)
                for known, card in ((known, Card.parse(known.card)) for known in file.members)
            )
        roster = Roster(
            file.gallery_id,
            file.site,
            file.purpose,
            file.epoch,
            file.edition,
            file.custodian_key,
            members,
            file.former,
        )
        with self._unwrapped(secret, file.signing_seed, "signing") as seed, seed.view() as view:
            signed = roster.signed(Ed25519PrivateKey.from_private_bytes(view))
        if len(encoded := signed.encoded()) > MAX_ROSTER_BYTES:
            raise CustodianError("the gallery has had as many rosters as one can name: make a new gallery")
        file = msgspec.structs.replace(file, former=(*file.former, signed.digest))
        self._file = msgspec.structs.replace(file, seal=file.sealed(secret))
        self._write_file()
        _write(self.roster_path, encoded)

    def _unwrapped(self, secret: SecretKey, wrapped: bytes, use: str) -> SecretKey:
        try:
            return unwrap(secret, wrapped, _context(self._file.gallery_id, use))
        except KeysDamaged as error:
            raise CustodianError(
                f"{self._folder / SET} was changed: take the copy that was kept of it"
            ) from error

    def _write_file(self) -> None:
        _write(self._folder / SET, msgspec.json.format(msgspec.json.encode(self._file)) + b"\n")


def share_name(number: int) -> str:
    """Return the name of a share's file."""
    return f"custodian-{number}.share"


def _new_key(secret: SecretKey, gallery_id: bytes, use: str) -> bytes:
    with SecretKey.random(KEY_BYTES) as key, key.view() as view:
        return wrap(secret, view, _context(gallery_id, use))


def _context(gallery_id: bytes, use: str) -> bytes:
    return b"aidpost custodian 1\0" + gallery_id + use.encode()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CustodianError(f"cannot make {folder}: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".new")
    try:
        write_private(part, content)
        part.replace(path)
    except (GuardUnavailable, OSError) as error:
        raise CustodianError(f"cannot write {path}: check the folder and its space") from error
