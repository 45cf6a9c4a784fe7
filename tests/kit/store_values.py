"""Records, references and a moment for tests of the store and the uplink."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from firmware.protection import TemplateProtection
from firmware.records import (
    CheckIn,
    ClockQuality,
    DeviceFault,
    Mode,
    Moment,
    Outcome,
    Registration,
    StageTime,
)
from firmware.store.connection import connect, open_database
from firmware.store.migrations import migrate
from firmware.store.protecting import derived_key
from firmware.store.reference import Reference
from firmware.store.store import Store
from inference.types import (
    FaceTemplate,
    FingerPosition,
    FingerTemplate,
    Modality,
    ProtectedTemplate,
    Template,
)
from trust.consent import Consent, Purpose
from trust.keys.secret import SecretKey

PURPOSE = Purpose.CLINIC_CHECK_IN
SITE = "site-1"
DEVICE = "post-1"
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
KEY = b"the key of the stores of tests.."


def open_store(
    folder: Path,
    *,
    purpose: Purpose = PURPOSE,
    device_id: str = DEVICE,
    max_pages: int | None = None,
    anew: bool = False,
) -> Store:
    """Open the store of a folder; a new one begins as a copy of empty tables; anew: without one."""
    path = folder / "store.db"
    if not anew and folder.is_dir() and not path.exists():
        path.touch(0o600)
        path.write_bytes(_empty_tables())
    with store_key() as key:
        return Store.open(
            path,
            key,
            device_id=device_id,
            purpose=purpose,
            site=SITE,
            max_pages=max_pages,
        )


@cache
def _empty_tables() -> bytes:
    """Return a store's file that no appliance has opened: its migrations take 0.25 s of processor time."""
    with tempfile.TemporaryDirectory() as folder, store_key() as key:
        path = Path(folder) / "store.db"
        with closing(open_database(path, key)) as database:
            migrate(database)
        return path.read_bytes()


def store_key() -> SecretKey:
    return SecretKey.taken_from(bytearray(KEY))


@contextmanager
def opened_behind_its_back(folder: Path) -> Iterator[Any]:
    """The store's file as somebody with the key and the sqlcipher tool has it; each statement commits."""
    with store_key() as key, closing(connect(folder / "store.db", key)) as connection:
        yield connection


def moment(
    hour: float = 0.0,
    *,
    boot: int = 1,
    quality: ClockQuality = ClockQuality.UNSET,
    wall_hour: float = 500_000.0,
) -> Moment:
    return Moment(bytes([boot]) * 16, int(hour * HOUR_NS), int((wall_hour + hour) * HOUR_NS), quality)


def check_in(number: int) -> CheckIn:
    """A check-in that `number` tells from others."""
    return CheckIn(
        record_id=number.to_bytes(16, "big"),
        mode=Mode.IDENTIFY,
        outcome=Outcome.SUGGESTION,
        entry_id=bytes(16),
        reason="",
        modalities=(Modality.FINGER, Modality.FACE),
        tries=2,
        score_llr=5.5,
        threshold_llr=4.25,
        operating_point="clinic/1f2e3d",
        gallery_size=500,
        stages=(StageTime("capture", 700_000_000), StageTime("compare", 900_000)),
        confirmed=True,
    )


def fault() -> DeviceFault:
    return DeviceFault("camera", recovered=False, kind="SensorTimeout")


def face_template(seed: int = 0) -> FaceTemplate:
    embedding = np.random.default_rng(seed).normal(size=128).astype(np.float32)
    return FaceTemplate(embedding / np.linalg.norm(embedding), 81, "sface-int8 0123456789ab litert")


def finger_template(seed: int = 0, minutiae: int = 40) -> FingerTemplate:
    rng = np.random.default_rng(seed)
    columns = (
        rng.uniform(0, 256, minutiae),
        rng.uniform(0, 288, minutiae),
        rng.uniform(-np.pi, np.pi, minutiae),
        rng.integers(0, 2, minutiae),
        np.sort(rng.uniform(0, 1, minutiae))[::-1],
    )
    rows = np.stack(columns, axis=1).astype(np.float32)
    return FingerTemplate(rows, 256, 288, FingerPosition.RIGHT_INDEX, "R307", 60, "leader-dr8 litert")


@cache
def protection() -> TemplateProtection:
    """Of the gallery that `open_store` opens."""
    with store_key() as key:
        own = SecretKey.taken_from(bytearray(derived_key(key, PURPOSE, SITE)))
    with own:
        return TemplateProtection(own)


def reference(
    number: int, *, subject: str | None = None, purpose: Purpose = PURPOSE, entry_id: bytes | None = None
) -> Reference:
    entry_id = entry_id or number.to_bytes(16, "big")
    templates = protected((face_template(number), finger_template(number)), entry_id)
    return Reference(entry_id, subject or f"card-{number}", templates, purpose, SITE)


def protected(templates: Sequence[Template], entry_id: bytes) -> tuple[ProtectedTemplate, ...]:
    return tuple(protection().protect(template, entry_id) for template in templates)


def plain_templates(entry: Reference) -> tuple[Template, ...]:
    return tuple(protection().plain(template, entry.entry_id) for template in entry.templates)


def registration(entry: Reference | None, consent: Consent = Consent.ACCEPTED) -> Registration:
    entry_id = entry.entry_id if entry else None
    return Registration(bytes(16), entry_id, consent, "1", "fr", face_templates=1, finger_templates=1)
