"""Letterbox, decoding, doubles, alignment and the choice of a face: arithmetic with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from inference.face.align import CROP_PX, REFERENCE_POINTS, align, similarity
from inference.face.choose import choose_face
from inference.face.detect import DetectedFace, decode, letterbox, mirror, suppress_overlaps
from inference.runtime import Floats
from sensors.frames import Retry, RetryReason

SIDE_PX = 320


def face(left: float, top: float, width: float, height: float) -> DetectedFace:
    box = np.array([left, top, width, height], np.float32)
    return DetectedFace(box, np.zeros((5, 2), np.float32), 0.9)


def empty_heads() -> dict[str, Floats]:
    heads = {}
    for stride in (8, 16, 32):
        places = (SIDE_PX // stride) ** 2
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            heads[f"{name}_{stride}"] = np.zeros((1, places, width), np.float32)
    return heads


@pytest.mark.parametrize(("height", "width"), [(240, 320), (480, 640), (1080, 1920), (90, 60), (7, 400)])
def test_a_frame_of_any_size_is_letterboxed_without_distortion(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 200, np.uint8)
    canvas, scale = letterbox(pixels, SIDE_PX)
    assert canvas.shape == (SIDE_PX, SIDE_PX, 3)
    assert scale == SIDE_PX / max(height, width)
    filled = canvas[..., 0] > 0
    assert filled.any(axis=1).sum() == max(1, round(height * scale))
    assert filled.any(axis=0).sum() == max(1, round(width * scale))
    assert filled[0, 0]


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_one_place_of_one_head_becomes_one_face_in_pixels(stride: int) -> None:
    heads = empty_heads()
    columns = SIDE_PX // stride
    row, column = 3, 5
    place = row * columns + column
    heads[f"cls_{stride}"][0, place] = 0.9
    heads[f"obj_{stride}"][0, place] = 0.4
    heads[f"bbox_{stride}"][0, place] = [0.5, -0.25, np.log(2), np.log(3)]
    heads[f"kps_{stride}"][0, place] = np.arange(10) / 10

    (found,) = decode(heads, SIDE_PX, min_score=0.55)

    centre_x, centre_y, width, height = 5.5 * stride, 2.75 * stride, 2 * stride, 3 * stride
    np.testing.assert_allclose(
        found[:4], [centre_x - width / 2, centre_y - height / 2, width, height], rtol=1e-5
    )
    landmarks = (np.arange(10).reshape(5, 2) / 10 + [column, row]) * stride
    np.testing.assert_allclose(found[4:14].reshape(5, 2), landmarks, rtol=1e-5)
    assert found[14] == pytest.approx(0.6)
    assert len(decode(heads, SIDE_PX, min_score=0.65)) == 0


def test_of_overlapping_boxes_the_surest_stays_and_separate_ones_stay_too() -> None:
    rows = np.zeros((4, 15), np.float32)
    rows[:, :4] = [[0, 0, 10, 10], [1, 1, 10, 10], [9, 9, 10, 10], [50, 50, 10, 10]]
    rows[:, 14] = [0.7, 0.9, 0.8, 0.6]
    assert suppress_overlaps(rows, 0.3).tolist() == [1, 2, 3]
    assert suppress_overlaps(rows[:0], 0.3).tolist() == []


def test_in_a_mirror_places_change_sides_and_right_and_left_change_names() -> None:
    row = np.arange(15, dtype=np.float32)[np.newaxis] * 4
    row[0, :4] = [10, 20, 30, 40]
    seen = mirror(row, SIDE_PX)
    assert seen[0, :4].tolist() == [SIDE_PX - 40, 20, 30, 40]
    right_eye, left_eye = row[0, 4:6], row[0, 6:8]
    assert seen[0, 4:8].tolist() == [
        SIDE_PX - 1 - left_eye[0], left_eye[1], SIDE_PX - 1 - right_eye[0], right_eye[1],
    ]  # fmt: skip
    np.testing.assert_array_equal(mirror(seen, SIDE_PX), row)


def test_the_alignment_undoes_any_turn_scale_and_shift() -> None:
    angle, scale, shift = np.radians(25), 1.7, np.array([30.0, -12.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (REFERENCE_POINTS @ turn.T + shift).astype(np.float32)
    matrix = similarity(points)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], REFERENCE_POINTS, atol=1e-3)


def test_the_alignment_never_mirrors_a_face() -> None:
    mirrored = (REFERENCE_POINTS * [-1, 1]).astype(np.float32)
    assert np.linalg.det(similarity(mirrored)[:, :2]) > 0


def test_landmarks_on_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="one point"):
        similarity(np.full((5, 2), 7, np.float32))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_face_of_any_size_lands_on_the_same_pixels(scale: int) -> None:
    smooth = np.tile(2 * np.arange(CROP_PX, dtype=np.uint8), (CROP_PX, 1))
    picture = np.repeat(np.repeat(smooth, scale, axis=0), scale, axis=1)
    # Pixel centres: x in the small picture is scale * (x + 0.5) - 0.5 in the large one.
    landmarks = (scale * (REFERENCE_POINTS + 0.5) - 0.5).astype(np.float32)
    crop = align(np.repeat(picture[..., np.newaxis], 3, axis=2), landmarks)
    inner = slice(2, -2)
    difference = crop[inner, inner, 0].astype(float) - smooth[inner, inner]
    assert np.abs(difference).max() <= 1
    # A quarter of a pixel to one side would be 0.5 on average.
    assert abs(difference.mean()) < 0.2


def test_the_finest_detail_of_a_large_face_is_averaged_and_not_skipped() -> None:
    checks = (np.indices((4 * CROP_PX, 4 * CROP_PX)).sum(axis=0) % 2 * 255).astype(np.uint8)
    landmarks = (4 * (REFERENCE_POINTS + 0.5) - 0.5).astype(np.float32)
    crop = align(np.repeat(checks[..., np.newaxis], 3, axis=2), landmarks)
    np.testing.assert_allclose(crop[5:-5, 5:-5].astype(float), 127.5, atol=1)


def test_a_bystander_at_the_side_does_not_count_and_two_before_the_camera_do() -> None:
    frame = np.full((480, 640, 3), 120, np.uint8)
    person, bystander = face(270, 150, 100, 120), face(540, 160, 95, 115)
    assert choose_face([bystander, person], frame) is person
    twins = [face(200, 150, 100, 120), face(340, 150, 100, 120)]
    assert choose_face(twins, frame) == Retry(RetryReason.SEVERAL_FACES)
    with_child = [face(340, 150, 60, 70), face(200, 150, 100, 120)]
    assert choose_face(with_child, frame) is with_child[1]


@pytest.mark.parametrize(
    ("level", "reason"),
    [(8, RetryReason.MORE_LIGHT), (120, RetryReason.NO_FACE), (240, RetryReason.LESS_LIGHT)],
)
def test_an_empty_frame_says_whether_the_light_is_the_reason(level: int, reason: RetryReason) -> None:
    assert choose_face([], np.full((480, 640, 3), level, np.uint8)) == Retry(reason)
