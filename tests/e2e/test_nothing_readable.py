"""What somebody finds who reads the card byte by byte: nothing of a person, and no key."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from firmware.appliance import Appliance
from firmware.config import Lease
from firmware.demo.cast import Cast, people
from firmware.demo.scenario import Face, Finger, Person
from firmware.demo.server import Server
from firmware.demo.wire import Wire
from firmware.guard import key_file
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.guard.wrapped import WrappedGuard
from firmware.lease import LeaseUse
from firmware.protection import TemplateProtection
from firmware.store.store import Store
from inference import plain_codec, template_codec
from inference.types import FaceTemplate, FingerPosition, FingerTemplate
from sensors.board.port import TamperEvent
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.line import line
from tests.kit.recording_board import RecordingBoard
from trust.consent import Purpose
from trust.keys.errors import GuardError, KeysDestroyed
from trust.keys.guard import GuardKind

SUBJECT = "case-4711-of-Amina-Berger"
PURPOSE = Purpose.CLINIC_CHECK_IN
IMAGE_FILES = {
    "JPEG": re.compile(rb"\xff\xd8\xff[\xe0\xe1\xdb]..(JFIF|Exif)?", re.DOTALL),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "PGM or PPM": re.compile(rb"P[2356]\s\d+\s\d+\s\d+\s"),
    "TIFF": re.compile(rb"(II\*\0|MM\0\*)[\x08\0]\0\0"),
}


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast([person()], lambda _done, _total: None)


def person() -> Person:
    return Person(SUBJECT, people()[0][0].seed, people()[0][0].photo)


@dataclass
class Served:
    """Copies of the card while it served and after it stopped, and what must not be found on either."""

    during: Path
    after: Path
    needles: dict[str, bytes]
    store_key: bytes


@pytest.fixture(scope="module")
def served(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """One person is registered and checked in."""
    folder = tmp_path_factory.mktemp("card")

    async def serve() -> dict[str, bytes]:
        async with line(folder, cast) as desk:
            await desk.register(person())
            assert (await desk.verify(person())).subject == SUBJECT
            needles = await needles_of(desk.appliance, cast)
            shutil.copytree(folder / "state", folder / "during")
            return needles

    needles = asyncio.run(serve())
    return Served(folder / "during", folder / "state", needles, needles["store key"])


async def needles_of(appliance: Appliance, cast: Cast) -> dict[str, bytes]:
    references = await appliance.store.run(lambda store: store.gallery.references(PURPOSE))
    needles = {
        "case number": SUBJECT.encode(),
        "case number, UTF-16": SUBJECT.encode("utf-16-le"),
        "purpose": b"clinic check-in",
        "entry id": references[0].entry_id,
        "entry id as text": references[0].entry_id.hex().encode(),
    }
    with await appliance.store.run(lambda store: store.gallery.protection_key()) as key:
        protection = TemplateProtection(key)
        with key.view() as view:
            needles["protection key"] = bytes(view)
    for number, protected in enumerate(references[0].templates):
        encoded = template_codec.encode(protected)
        needles[f"protected template {number}"] = encoded[len(encoded) // 2 :][:32]
        template = protection.plain(protected, references[0].entry_id)
        match template:
            case FaceTemplate():
                values, name = template.embedding, f"embedding {number}"
            case FingerTemplate():
                values, name = template.minutiae, f"minutiae {number}"
                needles[f"encoded {name}"] = plain_codec.encode(template)[60:92]
        for kind in ("<f4", "<f2", "<f8"):
            needles[f"{name} {kind}"] = np.asarray(values, kind).tobytes()[64:96]
        scaled = values / np.abs(values).max() * 127
        needles[f"{name} int8"] = np.round(scaled).astype(np.int8).tobytes()[:32]
    photo = cast.face(person(), Face.GOOD, 1)
    middle = photo[len(photo) // 2]
    needles["frame"] = np.ascontiguousarray(middle).tobytes()[300:340]
    finger, _ = cast.finger(person(), FingerPosition.RIGHT_INDEX, Finger.GOOD, 1)
    needles["finger image"] = finger[len(finger) // 2].tobytes()[60:100]
    with appliance.guard.store_key() as key, key.view() as view:
        needles["store key"] = bytes(view)
        needles["store key as text"] = bytes(view).hex().encode()
    assert isinstance(appliance.guard, WrappedGuard)
    assert appliance.guard._device is not None
    needles["device key"] = appliance.guard._device.private_numbers().private_value.to_bytes(32, "big")
    needles["device key as DER"] = appliance.guard._device.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )[-100:-60]
    return needles


def found_in(folder: Path, needles: dict[str, bytes]) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes()
        found += [f"{name} in {path.name}" for name, needle in needles.items() if needle in content]
        found += [f"{kind} in {path.name}" for kind, header in IMAGE_FILES.items() if header.search(content)]
    return found


def test_no_byte_on_the_card_says_who_was_here(served: Served) -> None:
    names = {path.name for path in served.during.iterdir()}
    assert names >= {"aidpost.db", "aidpost.db-wal", "aidpost.db-shm", "keys.json", "keys.secret"}
    assert found_in(served.during, served.needles) == []
    assert found_in(served.after, served.needles) == []


def test_the_search_would_find_it_in_the_open(served: Served, tmp_path: Path) -> None:
    pages = b"".join(decrypted_pages(served.after / "aidpost.db", served.store_key))
    (tmp_path / "decrypted").write_bytes(pages)
    found = " ".join(found_in(tmp_path, served.needles))
    for needle in ("case number in", "entry id in", "protection key in"):
        assert needle in found
    assert "template" not in found, "who has the store's key still has to open what is sealed in it"
    assert "embedding" not in found, "who has the store's key still has to turn what is in it"
    assert "minutiae" not in found
    assert "frame" not in found, "no image is stored, encrypted or not"
    assert "finger image" not in found
    assert not any(kind in found for kind in IMAGE_FILES)


def opened(folder: Path) -> Iterator[Store]:
    settings = GuardSettings(GuardKind.FILE)
    with open_guard(settings, folder, store_exists=True) as guard, guard.store_key() as key:
        store = Store.open(folder / "aidpost.db", key, device_id="test-01", purpose=PURPOSE, site="test")
        with closing(store):
            yield store


def test_after_the_keys_are_destroyed_nothing_on_the_card_opens_or_holds_them(
    served: Served, tmp_path: Path
) -> None:
    card, copy = tmp_path / "card", tmp_path / "copy"
    shutil.copytree(served.after, card)
    shutil.copytree(served.after, copy)
    keys = key_file.read(card)
    assert keys is not None
    assert keys.device_key is not None
    wrapped = {
        "wrapped store key": keys.store_key,
        "wrapped device key": keys.device_key,
        "secret": (card / "keys.secret").read_bytes(),
        "salt": keys.salt,
    }
    with open_guard(GuardSettings(GuardKind.FILE), card, store_exists=True) as guard:
        guard.destroy("lock")
    assert found_in(card, served.needles | wrapped) == []
    with pytest.raises(KeysDestroyed):
        next(opened(card))
    for name in ("keys.destroyed", "keys.json"):  # somebody who takes the mark away gains nothing
        (card / name).unlink(missing_ok=True)
        with pytest.raises(GuardError):
            next(opened(card))
    # What docs/keys.md says of the `file` guard, and why it is for development: an earlier copy opens.
    assert next(opened(copy)).counts().references == 1


async def test_an_opened_enclosure_destroys_the_keys_at_once(tmp_path: Path, cast: Cast) -> None:
    board = RecordingBoard()
    async with line(tmp_path, cast, board=board) as desk:
        board.happen(TamperEvent.CLOSED)
        assert not (tmp_path / "state" / "keys.destroyed").exists()
        board.happen(TamperEvent.OPENED)
        assert {path.name for path in (tmp_path / "state").glob("keys*")} == {"keys.destroyed"}
        async with asyncio.timeout(5):
            await desk.appliance.custody.gone.wait()
        with pytest.raises(KeysDestroyed, match="enclosure was opened"):
            desk.appliance.custody.refuse_if_gone()
    with pytest.raises(KeysDestroyed, match="enclosure was opened"):
        async with line(tmp_path, cast):
            pass


async def test_a_lapsed_lease_destroys_the_keys_at_the_next_start_and_warns_before(
    tmp_path: Path, cast: Cast
) -> None:
    limits = Lease(uptime_days=1_000, boots=5)

    def with_boots(boots: int) -> Callable[[Store], object]:
        """Set back to some earlier boot: each start of a line from then on is one more."""
        return lambda store: store.note_lease(lambda _: LeaseUse(bytes(16), 0, 0, boots))

    async with line(tmp_path, cast, uplink="127.0.0.1:9", lease=limits) as desk:
        assert desk.appliance.notices == {}
        await desk.appliance.store.run(with_boots(3))
    async with line(tmp_path, cast, uplink="127.0.0.1:9", lease=limits) as desk:
        assert "will be destroyed" in desk.appliance.notices["lease"]
        await desk.appliance.store.run(with_boots(4))
    with pytest.raises(KeysDestroyed, match="lease lapsed"):
        async with line(tmp_path, cast, uplink="127.0.0.1:9", lease=limits):
            pass
    assert {path.name for path in (tmp_path / "state").glob("keys*")} == {"keys.destroyed"}


def boots_used(store: Store) -> int:
    use = store.lease()
    return use.boots if use else 0


async def test_hearing_from_the_aggregator_begins_the_lease_anew(tmp_path: Path, cast: Cast) -> None:
    server = await Server.start(tmp_path)
    wire = Wire(server.listen)
    await wire.mend()
    try:
        limits = Lease(uptime_days=1_000, boots=5)
        async with line(tmp_path, cast, uplink=wire.address, lease=limits, joins=server) as desk:
            async with asyncio.timeout(30):
                await desk.register(person())
                await desk.appliance.link.until_acknowledged()
                await wire.cut()
                await desk.appliance.store.run(
                    lambda store: store.note_lease(lambda _: LeaseUse(bytes(16), 0, 0, boots=4))
                )
                await wire.mend()
                await desk.verify(person())
                await desk.appliance.link.until_acknowledged()
                while await desk.appliance.store.run(boots_used):
                    pass  # the acknowledgement may be noted first
    finally:
        await wire.cut()
        await server.stop()
