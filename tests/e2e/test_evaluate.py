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
    figures_file, point_file = tmp_path / "figures.json", tmp_path / "point.json"

    result = CliRunner().invoke(
        evaluate,
        f"finger --images {images} --sensor AS608 --jobs 1 "
        f"--json {figures_file} --operating-point {point_file}",
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

    point = load(point_file, {Modality.FINGER: figures["model_digests"][0]})
    assert point.source("finger/AS608").unsupported_fmr == (1e-2, 1e-3, 1e-4)
    assert "FMR 1e-04 is not supported" in result.output


def test_faces_become_figures_and_an_operating_point(shared_data: Path, tmp_path: Path) -> None:
    lfw = shared_data / "faces" / "lfw"
    people = [folder.name for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) >= 4][:8]
    numbers = {name: sorted(int(path.stem[-4:]) for path in (lfw / name).iterdir()) for name in people}
    genuine = [f"{name}\t{numbers[name][0]}\t{number}" for name in people for number in numbers[name][1:4]]
    impostor = [
        f"{people[index % 8]}\t{numbers[people[index % 8]][0]}\t{people[(index + 1 + index // 8) % 8]}\t"
        f"{numbers[people[(index + 1 + index // 8) % 8]][1]}"
        for index in range(24)
    ]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join(["2\t12", *genuine[:12], *impostor[:12], *genuine[12:], *impostor[12:]]))
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
