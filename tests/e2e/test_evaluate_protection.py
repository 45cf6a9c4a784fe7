"""`aidpost evaluate protection` on real faces: figures, pictures, and the table for people."""

import json
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
