"""The self-test at the opening of the day: each part that a person will meet, tried as it is used."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.store.audit import AuditBroken
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from inference.finger.phantom import Platen, check_platen
from sensors.camera.port import Camera
from sensors.errors import SensorError
from sensors.fingerprint.port import FingerprintReader
from sensors.frames import Retry, RetryReason
from sensors.worker import DeviceWorker


@dataclass(frozen=True, slots=True)
class PartFinding:
    """well: None for a part that is not fitted. advice: what to do, empty where it is well.

    dirty: the phantom test saw something on an empty platen.
    """

    part: str
    well: bool | None
    advice: str = ""
    dirty: bool = False


async def self_test(
    run_in_store: RunInStore,
    reader: DeviceWorker[FingerprintReader] | None,
    camera: DeviceWorker[Camera] | None,
) -> tuple[PartFinding, ...]:
    """Try store, reader and camera; a fault is a finding. Nobody may touch the reader meanwhile."""
    audit = await run_in_store(Store.verify_audit)
    broken = f"from row {audit.number} on: {audit.reason}" if isinstance(audit, AuditBroken) else ""
    return (
        PartFinding(
            "audit log", not broken, broken and f"it does not hold {broken}: tell the person in charge"
        ),
        await _reader(reader),
        await _camera(camera),
    )


async def _reader(worker: DeviceWorker[FingerprintReader] | None) -> PartFinding:
    if worker is None:
        return PartFinding("fingerprint reader", None)

    def look(reader: FingerprintReader) -> Platen:
        reader.self_test()
        return platen_of(reader)

    try:
        platen = await worker.call(look)
    except SensorError as error:
        return PartFinding("fingerprint reader", False, str(error))
    # RESPONSIBLE_USE 10: an empty or dirty platen never matches.
    advice = "" if platen is Platen.CLEAN else f"while nobody should touch it, it shows {platen.value}"
    return PartFinding("fingerprint reader", not advice, advice, dirty=bool(advice))


async def _camera(worker: DeviceWorker[Camera] | None) -> PartFinding:
    if worker is None:
        return PartFinding("camera", None)
    try:
        await worker.call(lambda camera: camera.self_test())
    except SensorError as error:
        return PartFinding("camera", False, str(error))
    return PartFinding("camera", True)


def platen_of(reader: FingerprintReader) -> Platen:
    """Judge a reader that nobody should touch; one that sees no finger sends no image and is clean."""
    seen = reader.capture(timeout_s=0.0)
    if isinstance(seen, Retry):
        return Platen.CLEAN if seen.reason is RetryReason.NO_FINGER else Platen.FINGER
    try:
        return check_platen(seen).platen
    finally:
        seen.wipe()
