"""`aidpost evaluate attacks` on simulated attacks: folders become figures, bad folders clear words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from firmware.commands.evaluate import evaluate
from firmware.demo.build_assets import load_face
from firmware.demo.views import empty_room, face_view
from sensors.frames import Pixels
from tests.kit.simulated_attacks import print_frame, replay_frame

PEOPLE = ("collins", "hopper", "obama", "giunchedi")


def run(*arguments: str | Path) -> tuple[int, str]:
    command = ["attacks", "--jobs", "1", *map(str, arguments)]
    result = CliRunner().invoke(evaluate, command, terminal_width=200)
    return result.exit_code, " ".join(result.output.split())


def save(path: Path, *frames: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(frames) == 1:
        cv2.imwrite(str(path.with_suffix(".png")), frames[0])
        return
    path.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(path / f"{number:03d}.png"), frame)


def sets(folder: Path, people: Sequence[str] = PEOPLE) -> tuple[Path, Path]:
    bona_fide, attacks = folder / "bona-fide", folder / "attacks"
    for seed, person in enumerate(people):
        photo = load_face(f"{person}.jpg")
        save(bona_fide / person, face_view(photo, seed))
        save(attacks / "print" / person, print_frame(photo, seed))
        save(attacks / "replay" / person, replay_frame(photo, seed), replay_frame(photo, seed + 50))
    return bona_fide, attacks


def test_simulated_attacks_become_figures_by_species(tmp_path: Path) -> None:
    bona_fide, attacks = sets(tmp_path)
    save(bona_fide / "nobody", empty_room(1))
    (attacks / "print" / "damaged.jpg").write_bytes(b"no image")
    (attacks / "print" / "notes.txt").write_text("how they were made")
    figures_file, plots = tmp_path / "figures.json", tmp_path / "plots"

    code, output = run(
        "--bona-fide", bona_fide, "--attacks", attacks, "--json", figures_file, "--plots", plots
    )

    assert code == 0, output
    figures = json.loads(figures_file.read_text())
    assert {name: rate["presentations"] for name, rate in figures["apcer"].items()} == {
        "print": 4,
        "replay": 4,
    }
    assert figures["apcer"]["print"]["errors"] == 0
    # Drawn screens are near the threshold: landmarks a third of a pixel away lose the border of one of them.
    assert figures["apcer"]["replay"]["errors"] <= 1
    assert (figures["bpcer"]["errors"], figures["bpcer"]["presentations"]) == (0, 4)
    assert list(figures["apcer_at_bpcer"]) == ["1e-2", "5e-2"]
    assert list(figures["bpcer_at_apcer"]) == ["5e-2", "1e-1"]
    assert not figures["apcer_at_bpcer"]["1e-2"]["supported"]
    assert figures["bona_fide"]["failures"] == {"no face": 1}
    species = {group["name"]: group for group in figures["attacks"]}
    assert species["print"]["failures"] == {"does not decode": 1}
    assert (species["replay"]["presentations"], species["replay"]["sequences"]) == (4, 4)
    assert figures["model_digests"][0].startswith("yunet-")
    assert "no resistance is claimed beyond them" in output
    assert sorted(path.name for path in plots.iterdir()) == ["det.png", "det.svg", "scores.png", "scores.svg"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("no bona fide", "does not exist"),
        ("loose", "belongs to no species"),
        ("no species", "holds no folder of a species"),
        ("empty species", "holds no image"),
        ("folders in a sequence", "--each-image"),
        ("video", "is a video"),
        ("no face", "of wall gave a usable face"),
    ],
)
def test_a_set_that_cannot_be_measured_is_explained(tmp_path: Path, spoil: str, words: str) -> None:
    bona_fide, attacks = tmp_path / "bona-fide", tmp_path / "attacks"
    attacks.mkdir()
    if spoil != "no bona fide":
        save(bona_fide / "one", face_view(load_face("collins.jpg"), 1))
    if spoil == "loose":
        save(attacks / "one", empty_room(1))
    elif spoil == "empty species":
        (attacks / "print").mkdir()
    elif spoil == "folders in a sequence":
        save(attacks / "print" / "ann" / "first" / "0", empty_room(1))
    elif spoil == "video":
        (attacks / "replay").mkdir()
        (attacks / "replay" / "one.mp4").write_bytes(b"film")
    elif spoil == "no face":
        save(attacks / "wall" / "one", empty_room(1))

    code, output = run("--bona-fide", bona_fide, "--attacks", attacks)

    assert code == 1
    assert words in output
    assert "Traceback" not in output


def test_each_image_can_be_a_presentation_at_any_depth(tmp_path: Path) -> None:
    bona_fide, attacks = sets(tmp_path, PEOPLE[:2])
    code, output = run(
        "--bona-fide", bona_fide, "--attacks", attacks, "--each-image", "--json", tmp_path / "f.json"
    )
    assert code == 0, output
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [group["presentations"] for group in figures["attacks"]] == [2, 4]
