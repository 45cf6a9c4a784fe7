"""The replay camera: order, choice, and files that are no good."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from sensors.camera.replay import ReplayCamera
from sensors.errors import SensorMisconfigured, SensorUnavailable
from sensors.frames import Pixels
from tests.kit.virtual_v4l2 import write_video

SIDE = 64


def grey(level: int, width: int = SIDE, height: int = SIDE) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def folder_of(folder: Path, *levels: int) -> Path:
    for level in levels:
        cv2.imwrite(str(folder / f"{level:03}.png"), grey(level))
    return folder


def replay(path: Path | None) -> ReplayCamera:
    return ReplayCamera(path, width=SIDE, height=SIDE)


def level_of(camera: ReplayCamera) -> int:
    return int(camera.capture(1.0).pixels[SIDE // 2, SIDE // 2, 0])


def test_a_folder_plays_in_order_of_names_and_from_the_start_again(tmp_path: Path) -> None:
    camera = replay(folder_of(tmp_path, 30, 10, 20))

    assert [level_of(camera) for _ in range(5)] == [10, 20, 30, 10, 20]


def test_a_video_plays_from_the_start_again(tmp_path: Path) -> None:
    video = tmp_path / "people.avi"
    write_video(video, grey(80), frames=3)
    camera = replay(video)

    for _ in range(7):
        assert abs(level_of(camera) - 80) <= 2
    camera.close()


def test_a_shown_picture_stays_until_further_notice(tmp_path: Path) -> None:
    camera = replay(folder_of(tmp_path, 10, 20))
    camera.show(tmp_path / "020.png")
    assert [level_of(camera), level_of(camera)] == [20, 20]

    camera.show(grey(99))
    assert level_of(camera) == 99

    camera.play()
    assert level_of(camera) == 10


def test_a_shown_array_is_a_copy() -> None:
    camera = replay(None)
    picture = grey(99)
    camera.show(picture)
    picture[...] = 0

    assert level_of(camera) == 99


def test_nobody_before_the_camera_is_a_picture_that_passes_the_self_test() -> None:
    camera = replay(None)
    camera.self_test()
    camera.show(grey(99))
    camera.show_nothing()

    camera.self_test()


def test_a_picture_is_fitted_whole_and_in_its_own_shape() -> None:
    camera = replay(None)
    camera.show(grey(255, width=128, height=64))
    pixels = camera.capture(1.0).pixels

    assert pixels.shape == (SIDE, SIDE, 3)
    assert (pixels[16:48] == 255).all()
    assert (pixels[:16] < 255).all()
    assert (pixels[48:] < 255).all()


def test_a_camera_with_nothing_to_play_says_so() -> None:
    with pytest.raises(SensorMisconfigured, match="folder or video"):
        replay(None).play()


def noise() -> Pixels:
    return np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), np.uint8)


def jpeg_with_preview() -> bytes:
    """A JPEG that carries a whole small JPEG in its EXIF part, as cameras write it."""
    whole = cv2.imencode(".jpg", noise())[1].tobytes()
    preview = cv2.imencode(".jpg", grey(5, 8, 8))[1].tobytes()
    exif = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    return whole[:2] + exif + whole[2:]


def png_that_names_a_hundred_gigapixels() -> bytes:
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 10**5 * 3, 10**5 * 3, 8, 2, 0, 0, 0)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BAD_FILES = {
    "text.png": (b"This is no picture.", "neither JPEG nor PNG"),
    "empty.jpg": (b"", "neither JPEG nor PNG"),
    "short.jpg": (cv2.imencode(".jpg", noise())[1].tobytes()[:-400], "truncated"),
    "short.png": (cv2.imencode(".png", noise())[1].tobytes()[:-400], "truncated"),
    "preview.jpg": (jpeg_with_preview()[:-400], "truncated"),
    "tiny.png": (cv2.imencode(".png", grey(5, 8, 8))[1].tobytes(), "8x8"),
    "damaged.png": (b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND\xaeB`\x82", "damaged"),
    "huge.png": (png_that_names_a_hundred_gigapixels(), "damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_folder_with_a_bad_file_is_refused_and_the_file_named(tmp_path: Path, name: str) -> None:
    content, reason = BAD_FILES[name]
    folder_of(tmp_path, 10, 20)
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SensorMisconfigured, match=f"{name}.*{reason}"):
        replay(tmp_path)


def test_a_file_that_turns_bad_is_named_in_its_turn_and_the_others_still_play(tmp_path: Path) -> None:
    camera = replay(folder_of(tmp_path, 10, 20))
    turned = sorted(tmp_path.iterdir())[1]
    turned.write_bytes(b"This is no picture.")
    assert level_of(camera) == 10

    with pytest.raises(SensorMisconfigured, match=f"{turned.name}.*neither JPEG nor PNG"):
        camera.capture(1.0)
    assert level_of(camera) == 10


def test_a_whole_jpeg_with_a_preview_plays(tmp_path: Path) -> None:
    (tmp_path / "whole.jpg").write_bytes(jpeg_with_preview())

    assert replay(tmp_path).capture(1.0).pixels.std() > 20


@pytest.mark.parametrize(
    "picture", [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3)), np.zeros((64, 64, 4), np.uint8)]
)
def test_an_array_of_another_kind_is_refused(picture: Pixels) -> None:
    camera = replay(None)
    camera.show(grey(99))

    with pytest.raises(SensorMisconfigured, match="uint8, BGR"):
        camera.show(picture)
    assert level_of(camera) == 99


def play_to_the_end(camera: ReplayCamera) -> None:
    for _ in range(20):
        camera.capture(1.0)


def test_a_truncated_video_is_named_and_plays_again_from_its_start(tmp_path: Path) -> None:
    video = tmp_path / "people.avi"
    write_video(video, noise(), frames=20)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    camera = replay(video)

    with pytest.raises(SensorMisconfigured, match=r"people\.avi ends after \d+ of 20 frames"):
        play_to_the_end(camera)
    assert camera.capture(1.0).pixels.any()
    camera.close()


def test_what_cannot_be_replayed_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SensorMisconfigured, match="no JPEG or PNG file"):
        replay(tmp_path)
    with pytest.raises(SensorMisconfigured, match="nothing to replay"):
        replay(tmp_path / "missing")
    text = tmp_path / "people.avi"
    text.write_text("This is no video.")
    with pytest.raises(SensorMisconfigured, match="no video that can be read"):
        replay(text)


def test_a_video_that_goes_away_is_unavailable(tmp_path: Path) -> None:
    video = tmp_path / "people.avi"
    write_video(video, grey(80), frames=1)
    camera = replay(video)
    camera.capture(1.0)
    video.unlink()

    with pytest.raises(SensorUnavailable, match="put it back"):
        camera.capture(1.0)
    camera.close()
