"""Protected templates in a gallery: scores as before, nothing without the key, and renewal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from firmware.protection import TemplateProtection
from inference.bits import set_bits
from inference.errors import OtherProtectionKey
from inference.face import compare as faces
from inference.finger.compare import compare
from inference.finger.cylinders import prepare
from inference.plain_codec import decode, encode
from inference.protection.face import SCORE_TOLERANCE
from inference.protection.finger import CODE_BITS, LEAST_KEPT, CylinderCodes, likeness
from inference.protection.finger_index import FingerIndex
from inference.protection.key_stream import KeyStream
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, ProtectedFace, ProtectedFinger
from tests.kit.store_values import face_template, finger_template, protection
from tests.unit.test_finger_comparison import finger, moved
from trust.gallery.errors import EntryRefused
from trust.keys.secret import SecretKey

ENTRY, OTHER = b"one".ljust(16), b"two".ljust(16)


@pytest.fixture(scope="module")
def foreign() -> TemplateProtection:
    with SecretKey.taken_from(bytearray(b"the key of another site's gallery")[:32]) as key:
        return TemplateProtection(key)


def protected_finger(template: FingerTemplate, keyed: TemplateProtection | None = None) -> ProtectedFinger:
    made = (keyed or protection()).protect(template, ENTRY)
    assert isinstance(made, ProtectedFinger)
    return made


def of(minutiae: np.ndarray) -> FingerTemplate:
    return FingerTemplate(minutiae, 280, 280, FingerPosition.UNKNOWN, "R503", 60, "x")


def test_a_protected_face_scores_as_the_plain_one() -> None:
    plain = [replace(face_template(seed), frames=1 + seed % 3) for seed in range(20)]
    turned = [protection().face(template) for template in plain]
    for one, two in zip(plain, turned, strict=True):
        before, after = faces.compare(plain[0], one), faces.compare(turned[0], two)
        assert after.raw == pytest.approx(before.raw, abs=SCORE_TOLERANCE)
        assert after.fmr_ratio == before.fmr_ratio
    together = faces.combine(turned[:3])
    np.testing.assert_allclose(
        protection().face(faces.combine(plain[:3])).embedding, together.embedding, atol=SCORE_TOLERANCE
    )


def test_a_finger_is_compared_by_exactly_what_was_stored() -> None:
    stored = decode(encode(finger_template(3)))
    assert isinstance(stored, FingerTemplate)
    opened = protection().opened(protected_finger(finger_template(3)), ENTRY)
    probe = prepare(finger_template(4))
    assert compare(probe, prepare(opened)) == compare(probe, prepare(stored))


def test_templates_of_two_keys_never_compare(foreign: TemplateProtection) -> None:
    face = face_template(1)
    with pytest.raises(OtherProtectionKey, match=foreign.key_id.hex()):
        faces.compare(protection().face(face), foreign.face(face))
    with pytest.raises(OtherProtectionKey):
        protection().require_own([foreign.face(face)])
    with pytest.raises(OtherProtectionKey):
        protection().opened(protected_finger(finger_template(), foreign), ENTRY)
    # A changed name of the key opens nothing either.
    named = replace(protected_finger(finger_template(), foreign), key_id=protection().key_id)
    with pytest.raises(EntryRefused):
        protection().opened(named, ENTRY)


def test_a_finger_opens_under_its_own_entry_alone_and_unchanged() -> None:
    made = protected_finger(finger_template())
    assert protection().minutiae_of([made], ENTRY) == [40]
    changed = made.sealed[:-1] + bytes([made.sealed[-1] ^ 1])
    for template, entry_id in ((made, OTHER), (replace(made, sealed=changed), ENTRY)):
        with pytest.raises(EntryRefused):
            protection().minutiae_of([template], entry_id)
        with pytest.raises(EntryRefused):
            protection().opened(template, entry_id)


def test_nothing_of_the_minutiae_is_in_a_protected_finger() -> None:
    plain = finger_template(7)
    made, again = protected_finger(plain), protected_finger(plain)
    held = made.codes.tobytes() + made.sealed
    for kind in ("<f4", "<f2", "<f8"):
        assert plain.minutiae.astype(kind).tobytes()[64:80] not in held
    assert encode(plain)[60:76] not in held
    assert made.sealed != again.sealed  # sealed twice, nothing in common
    assert len(made.sealed) == len(protected_finger(finger_template(8, minutiae=33)).sealed)


def test_codes_find_the_right_finger_among_a_thousand_and_none_under_another_key(
    foreign: TemplateProtection,
) -> None:
    distinct = [protected_finger(of(finger(seed, count=36))) for seed in range(50)]
    gallery = [distinct[k % 50] for k in range(949)]
    gallery.insert(613, protected_finger(of(finger(777))))
    gallery.insert(7, protected_finger(of(finger(3)[:0])))
    again = prepare(of(moved(finger(777), -0.3, jitter_px=1.5, seed=9)[:32]))
    probe = protection().codes(again)
    index = FingerIndex()
    counts = [0 if number == 7 else 40 for number in range(len(gallery))]
    places = [
        index.add(number.to_bytes(16, "big"), each, count)
        for number, (each, count) in enumerate(zip(gallery, counts, strict=True))
    ]
    kept = index.shortlist(probe, FingerPosition.UNKNOWN, "R503")
    assert kept[0] == (614).to_bytes(16, "big")
    assert len(kept) == LEAST_KEPT
    # Among others or in the whole gallery, packed or one by one: the same likeness.
    assert index.shortlist(probe, FingerPosition.UNKNOWN, "R503", places[500:700])[0] == kept[0]
    codes = [each.codes for each in gallery]
    ours = likeness(probe, codes)
    theirs = likeness(foreign.codes(again), codes)
    packed = places[0].shelf.likeness(probe, range(len(gallery) - 1))
    bare = [each.codes[:40] for number, each in enumerate(gallery) if number != 7]
    np.testing.assert_array_equal(packed, likeness(probe, bare))  # without what fills the codes up to 48
    assert ours[614] > np.delete(ours, 614).max() + 10
    assert abs(theirs[614] - np.median(theirs)) < 8


def test_a_finger_that_was_removed_is_overwritten_and_its_place_taken_again() -> None:
    index = FingerIndex()
    kept = [protected_finger(of(finger(seed))) for seed in range(3)]
    right, left, other = (
        index.add(ENTRY, replace(kept[0], position=FingerPosition.RIGHT_INDEX), 40),
        index.add(ENTRY, replace(kept[1], position=FingerPosition.LEFT_INDEX), 40),
        index.add(OTHER, replace(kept[2], position=FingerPosition.RIGHT_INDEX), 40),
    )
    probe = protection().codes(prepare(of(finger(0))))
    assert index.shortlist(probe, FingerPosition.RIGHT_INDEX, "R503") == [ENTRY, OTHER]
    assert index.shortlist(probe, FingerPosition.RIGHT_INDEX, "AS608") == []
    index.remove(right)
    assert not right.shelf.codes(right.number).any()
    assert index.shortlist(probe, FingerPosition.RIGHT_INDEX, "R503") == [OTHER]
    assert index.shortlist(probe, FingerPosition.LEFT_INDEX, "R503") == [ENTRY]
    again = index.add(ENTRY, replace(kept[1], position=FingerPosition.RIGHT_INDEX), 40)
    assert again == right
    assert index.sealed(again) == kept[1].sealed
    assert (left.is_of(FingerPosition.LEFT_INDEX, "R503"), other.number) == (True, 1)


def test_codes_are_these_on_every_machine_but_for_a_bit_that_a_rounding_turns() -> None:
    codes = CylinderCodes(KeyStream(bytes(32))).of(prepare(of(finger(1))))
    assert codes.shape[1] * 64 == CODE_BITS
    pinned = np.array(
        [
            int(word, 16)
            for word in [
                "505cde6296eb7e72",
                "ffaac6495cad0ee5",
                "395d555e554b90db",
                "306ba11aeef483bd",
            ]
        ],
        np.uint64,
    )
    assert int(set_bits((codes[0] ^ pinned)[:, None])[0]) <= 8


def test_codes_that_were_left_out_are_made_anew() -> None:
    made = protected_finger(of(finger(5)))
    bare = replace(made, codes=made.codes[:0])
    again = protection().with_codes(bare, ENTRY).codes
    usable = len(protection().codes(prepare(protection().opened(made, ENTRY))))
    np.testing.assert_array_equal(again[:usable], made.codes[:usable])
    assert len(again) == len(made.codes)


def test_the_key_gives_everything_back_and_a_wiped_one_nothing() -> None:
    with SecretKey.taken_from(bytearray(b"k" * 32)) as key:
        keyed = TemplateProtection(key)
    face = keyed.face(face_template(2))
    back = keyed.plain(face, ENTRY)
    assert isinstance(back, FaceTemplate)
    np.testing.assert_allclose(back.embedding, face_template(2).embedding, atol=1e-6)
    finger_made = protected_finger(finger_template(2), keyed)
    keyed.wipe()
    with pytest.raises(ValueError, match="overwritten"):
        keyed.opened(finger_made, ENTRY)
    assert not keyed.face(face_template(2)).embedding.any()
    assert isinstance(face, ProtectedFace)
