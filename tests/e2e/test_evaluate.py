"""`aidpost evaluate` on real fingers and faces, down to a file that the appliance accepts."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from firmware.commands.evaluate import evaluate
from inference.operating_point import load
from inference.types import Modality

FINGERS = ("101", "102", "103", "104", "105")
IMPRESSIONS = (1, 2, 3, 4)


def test_fingers_become_figures_and_an_operating_point(shared_data: Path, tmp_path: Path) -> None:
    images = tmp_path / "fingers"
    images.mkdir()
    for finger in FINGERS:
        for impression in IMPRESSIONS:
            name = f"{finger}_{impression}.png"
            shutil.copy(shared_data / "fingers" / "fvc2002_db3b" / name, images / name)
    (images / "106_1.png").write_bytes(b"no image")
    figures_file, point_file = tmp_path / "out" / "figures.json", tmp_path / "point.json"
    cohorts_file = tmp_path / "cohorts.csv"
    cohorts_file.write_text("identity,age_band\n101,18-39\n102,18-39\n103,60+\n104,60+\n105,\n")

    result = CliRunner().invoke(
        evaluate,
        f"finger --images {images} --sensor AS608 --jobs 1 --cohorts {cohorts_file} "
        f"--json {figures_file} --plots {tmp_path / 'plots'} --operating-point {point_file}",
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(figures_file.read_text())
    assert (figures["genuine"], figures["impostor"]) == (30, 160)
    assert figures["eer"] < 0.15
    assert figures["fta"] == 1 / 21
    assert figures["fte"] == 1 / 6
    assert figures["failures"] == [{"image": str(images / "106_1.png"), "reason": "does not decode"}]
    assert list(figures["fnmr_at_fmr"]) == ["1e-2", "1e-3", "1e-4"]
    assert figures["fmr_bound"] == 3 / 160
    assert figures["extract_ms_p50"] > figures["compare_ms_p50"] > 0
    cohorts = figures["cohorts"]["attributes"]["age_band"]
    assert list(cohorts) == ["18-39", "60+", "not stated"]
    assert (cohorts["60+"]["fnmr"]["trials"], cohorts["60+"]["fmr"]["trials"]) == (12, 16)
    assert cohorts["not stated"]["fta"]["errors"] == 1
    controls = figures["controls"]
    assert 0.4 < controls["shuffled_eer"] < 0.6
    assert (controls["swapped"], controls["swapped_largest_change"]) == (190, 0.0)
    assert "+finger-score-" in figures["model_digests"][0]
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"det.svg", "det.png", "scores.svg", "cohorts.png"} <= drawn

    point = load(point_file, {Modality.FINGER: figures["model_digests"][0]})
    assert point.source("finger/AS608").unsupported_fmr == (1e-2, 1e-3, 1e-4)
    assert "FMR 1e-04 is not supported" in result.output


def lfw_pairs(lfw: Path, file: Path, people: int) -> None:
    """Write pairs of people with four photographs or more: three of each person, three with others."""
    names = [folder.name for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) >= 4][:people]
    numbers = [sorted(int(path.stem[-4:]) for path in (lfw / name).iterdir())[:4] for name in names]
    genuine = [
        f"{name}\t{own[0]}\t{number}" for name, own in zip(names, numbers, strict=True) for number in own[1:]
    ]
    impostor = [
        f"{names[one]}\t{numbers[one][0]}\t{names[one - step]}\t{numbers[one - step][1]}"
        for step in (1, 2, 3)
        for one in range(people)
    ]
    half = len(genuine) // 2
    folds = [*genuine[:half], *impostor[:half], *genuine[half:], *impostor[half:]]
    file.write_text("\n".join([f"2\t{half}", *folds]))


def test_faces_become_figures_and_an_operating_point(shared_data: Path, tmp_path: Path) -> None:
    lfw = shared_data / "faces" / "lfw"
    pairs = tmp_path / "pairs.txt"
    lfw_pairs(lfw, pairs, people=8)
    figures_file, point_file = tmp_path / "figures.json", tmp_path / "point.json"

    result = CliRunner().invoke(
        evaluate,
        f"face --images {lfw} --pairs {pairs} --jobs 1 --json {figures_file} --operating-point {point_file}",
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(figures_file.read_text())
    assert figures["accuracy"] > 0.9
    assert figures["accuracy_pairs"] == 48
    assert figures["eer"] < 0.05
    assert figures["images"] == 32
    assert load(point_file, {Modality.FACE: figures["model_digests"][0]}).name == "point"


def test_face_and_fingers_together_on_virtual_subjects(shared_data: Path, tmp_path: Path) -> None:
    lfw, fingers = shared_data / "faces" / "lfw", tmp_path / "fingers"
    fingers.mkdir()
    for image in sorted((shared_data / "fingers" / "fvc2002_db3b").iterdir()):
        if int(image.stem.rpartition("_")[2]) <= 5 and image.stem < "109":
            shutil.copy(image, fingers / image.name)
    lfw_pairs(lfw, tmp_path / "pairs.txt", people=14)
    figures_file = tmp_path / "figures.json"

    result = CliRunner().invoke(
        evaluate,
        f"fuse --faces {lfw} --pairs {tmp_path / 'pairs.txt'} --fingers {fingers} --sensor-like 192x192 "
        f"--jobs 1 --json {figures_file} --plots {tmp_path / 'plots'}",
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(figures_file.read_text())
    assert list(figures["parts"]) == ["face", "finger", "face + finger", "two fingers"]
    assert figures["eer"] <= figures["parts"]["finger"]["eer"]
    assert figures["genuine"] == 10 * 8 * 10  # pairings, fingers, pairs of 5 impressions
    assert len(figures["model_digests"]) == 2
    assert (tmp_path / "plots" / "det.svg").exists()
