"""`aidpost evaluate protection` on real faces: figures, pictures, and the table for people."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from firmware.commands.evaluate import evaluate
from inference.protection.face import SCORE_TOLERANCE
from tests.e2e.test_evaluate import lfw_pairs


def test_protected_faces_become_figures(shared_data: Path, tmp_path: Path) -> None:
    lfw, pairs, figures_file = (
        shared_data / "faces" / "lfw",
        tmp_path / "pairs.txt",
        tmp_path / "figures.json",
    )
    lfw_pairs(lfw, pairs, people=8)

    result = CliRunner().invoke(
        evaluate,
        f"protection --images {lfw} --pairs {pairs} --jobs 1 --json {figures_file} "
        f"--plots {tmp_path / 'plots'}",
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(figures_file.read_text())
    assert (figures["images"], figures["identities"], figures["genuine"]) == (32, 8, 48)
    plain, shipped = figures["schemes"][:2]
    assert shipped["shipped"] is True
    assert shipped["largest_change"] <= SCORE_TOLERANCE
    assert shipped["eer"] == plain["eer"]
    assert plain["linkability"]["d_sys"] > 0.8
    assert shipped["linkability"]["d_sys"] < 0.5
    assert shipped["with_key"]["cosine"] > 0.999
    assert shipped["galleries"]["people"] == 8
    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {
        "linkability.svg",
        "protected-accuracy.png",
    }
    assert "rotation *" in result.output


def test_protected_fingers_become_figures(shared_data: Path, tmp_path: Path) -> None:
    images, figures_file = tmp_path / "fingers", tmp_path / "figures.json"
    images.mkdir()
    for finger in ("101", "102", "103", "104"):
        for impression in (1, 2, 3):
            name = f"{finger}_{impression}.png"
            shutil.copy(shared_data / "fingers" / "fvc2002_db3b" / name, images / name)

    result = CliRunner().invoke(
        evaluate,
        f"protection --images {images} --sensor AS608 --jobs 1 --json {figures_file} "
        f"--plots {tmp_path / 'plots'}",
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(figures_file.read_text())
    assert (figures["source"], figures["genuine"], figures["impostor"]) == ("finger/AS608", 12, 54)
    plain, _turned, *codes, shipped = figures["schemes"]
    assert shipped["shipped"] is True
    assert shipped["eer"] == plain["eer"]
    assert shipped["fnmr_at_fmr"] == plain["fnmr_at_fmr"]
    assert plain["linkability"]["d_sys"] > 0.8
    assert shipped["size"]["d_sys"] <= plain["size"]["d_sys"]
    assert shipped["first_pass_lost"]["60"] == 0.0
    assert all(one["with_key"]["cosine"] < 0.6 for one in codes)
    assert "codes, minutiae sealed *" in " ".join(result.output.split())


def test_faces_and_fingers_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1")
    result = CliRunner().invoke(
        evaluate, f"protection --images {tmp_path} --pairs {tmp_path / 'pairs.txt'} --sensor R503"
    )
    assert result.exit_code == 2
    assert "leave --pairs out for fingers" in result.output
