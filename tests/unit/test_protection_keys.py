"""What a protection key draws: equal everywhere, different for each key and label."""

import hashlib

import numpy as np
import pytest

from inference.protection.face import SCORE_TOLERANCE, FaceRotation
from inference.protection.key_stream import KEY_ID_BYTES, KeyStream, rotation

KEY = bytes(range(32))


def test_streams_are_these_on_every_machine() -> None:
    keys = KeyStream(KEY)
    assert keys.key_id().hex() == "f5368535583512ee"
    assert hashlib.sha256(keys.stream("face rotation", 4096)).hexdigest()[:16] == "4b6846fb8a436959"
    assert keys.normals("face rotation", 3) == pytest.approx(
        [1.1650310766136016, -0.7277540533460433, -0.6077227963735843], rel=1e-12
    )
    assert rotation(keys, "face rotation", 128)[0, :3] == pytest.approx(
        [-0.09973210499944463, -0.13479535379870625, -0.05052818574946151], rel=1e-9
    )


def test_keys_and_labels_draw_apart() -> None:
    one, other = KeyStream(KEY), KeyStream(bytes(32))
    assert one.stream("a", 64) != one.stream("b", 64)
    assert one.stream("a", 64) != other.stream("a", 64)
    assert one.key_id() != other.key_id()
    assert len(one.key_id()) == KEY_ID_BYTES
    with pytest.raises(ValueError, match="32 bytes"):
        KeyStream(b"short")


def test_normal_numbers_and_rotations_are_what_they_are_called() -> None:
    keys = KeyStream(KEY)
    drawn = keys.normals("test", 200_000)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((np.abs(drawn) > 1.96).mean() - 0.05) < 0.003
    matrix = rotation(keys, "test", 128)
    assert np.abs(matrix @ matrix.T - np.eye(128)).max() < 1e-13
    assert sorted(keys.permutation("test", 50)) == list(range(50))
    assert set(keys.integers("test", 7, 500)) == set(range(7))


def test_a_rotation_keeps_every_score_and_is_gone_when_wiped() -> None:
    random = np.random.default_rng(1)
    faces = random.normal(size=(500, 128))
    faces = (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)
    kept = FaceRotation(KeyStream(KEY))
    turned = kept.turn(faces)
    assert np.abs(turned @ turned.T - faces @ faces.T).max() <= SCORE_TOLERANCE
    assert np.abs(turned - faces).max() > 0.1
    assert np.allclose(kept.turn_back(turned), faces, atol=1e-6)
    foreign = FaceRotation(KeyStream(bytes(32))).turn(faces)
    assert np.abs(np.einsum("ij,ij->i", turned, foreign)).max() < 0.5
    kept.wipe()
    assert not kept.turn(faces).any()
