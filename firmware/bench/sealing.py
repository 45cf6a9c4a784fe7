"""What it adds to a decision that references lie sealed: the same decisions with and without, in turns."""

from __future__ import annotations

import time

from firmware.protection import TemplateProtection
from inference.attack import Unchecked
from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis.master import make_finger
from inference.types import Assessed, FingerPosition, FingerTemplate, ProtectedFinger
from sensors.frames import DeviceIdentity, FingerFrame, Pixels
from trust.keys.secret import SecretKey

DECISIONS = 40
COMPARISONS = 5  # of each kind in turns, of which the shortest counts: others use the machine too
_DEVICE = DeviceIdentity("R503", "bench")
_ENTRY = bytes(16)


def added_percent() -> list[float]:
    """Return by how much sealing makes a 1:1 finger decision longer, in per cent of processor time.

    A decision is from the sensor's image to the score. Without sealing, the reference lies as plain minutiae,
    which are made ready for the comparison; with it, they are opened first (AES-256-GCM), and overwritten
    afterwards. A face is compared as it lies: the probe is turned, some microseconds.
    """
    with SecretKey.random(32) as key:
        protection = TemplateProtection(key)
    recogniser = build_finger_recogniser(Catalogue(), RuntimeName.LITERT)
    master = make_finger(11)
    plain = _template(recogniser, master.impression(0, size=(192, 192)))
    sealed = protection.protect(plain, _ENTRY)
    if not isinstance(sealed, ProtectedFinger):
        raise AssertionError("a finger is protected as one")
    added = []
    for take in range(1, DECISIONS + 1):
        image = master.impression(take, size=(192, 192))
        began_s = time.process_time()
        probe = recogniser.prepare(_template(recogniser, image))
        made_s = time.process_time() - began_s
        without, with_ = [], []
        for _ in range(COMPARISONS):
            began_s = time.process_time()
            recogniser.compare(probe, recogniser.prepare(plain))
            compared_s = time.process_time()
            _compare_sealed(recogniser, protection, probe, sealed)
            without.append(compared_s - began_s)
            with_.append(time.process_time() - compared_s)
        added.append(100 * (min(with_) - min(without)) / (made_s + min(without)))
    return added


def _compare_sealed(
    recogniser: FingerRecogniser,
    protection: TemplateProtection,
    probe: PreparedFinger,
    sealed: ProtectedFinger,
) -> None:
    plain = protection.opened(sealed, _ENTRY)
    reference = recogniser.prepare(plain)
    plain.wipe()
    recogniser.compare(probe, reference)
    reference.wipe()


def _template(recogniser: FingerRecogniser, pixels: Pixels) -> FingerTemplate:
    assessed = recogniser.assess(FingerFrame(pixels, 500.0, _DEVICE, taken_at_s=0.0))
    if not isinstance(assessed, Assessed):
        raise TypeError(f"the finger is refused: {assessed}")
    return recogniser.template(Unchecked().check(assessed), FingerPosition.RIGHT_INDEX)
