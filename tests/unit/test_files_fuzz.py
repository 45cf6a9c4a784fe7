"""Whatever is in a configuration or a picture: a value, or a refusal that says what to do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firmware.config import Config, ConfigError
from firmware.config_file import load
from sensors.camera.image_files import read_image
from sensors.errors import SensorMisconfigured

EXAMPLE = (Path(__file__).parents[2] / "docs" / "aidpost.example.toml").read_bytes()
PICTURE = np.random.default_rng(1).integers(0, 256, (64, 48, 3), np.uint8)
ENCODED = {suffix: cv2.imencode(suffix, PICTURE)[1].tobytes() for suffix in (".jpg", ".png")}
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some of them changed, left out, doubled or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=2))
            case 1:
                del content[place : place + draw(st.integers(1, 40))]
            case 2:
                content[place:place] = content[place : place + draw(st.integers(1, 40))]
            case _:
                del content[place:]
    return bytes(content)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(damaged(EXAMPLE) | st.binary(max_size=300))
@example(b"\xef\xbb\xbf" + EXAMPLE)
@example(b"a = " + b"[" * 5000)
@example(b"device = 9" + b"9" * 5000)
@same_folder
def test_a_damaged_configuration_is_read_or_refused(folder: Path, content: bytes) -> None:
    path = folder / "aidpost.toml"
    path.write_bytes(content)
    with suppress(ConfigError):
        assert isinstance(load(path), Config)


@pytest.mark.parametrize("suffix", ENCODED)
@given(data=st.data())
@same_folder
def test_a_damaged_picture_is_shown_or_refused(folder: Path, suffix: str, data: st.DataObject) -> None:
    path = folder / f"picture{suffix}"
    path.write_bytes(data.draw(damaged(ENCODED[suffix]) | st.binary(max_size=200)))
    with suppress(SensorMisconfigured):
        pixels = read_image(path)
        assert pixels.ndim == 3
