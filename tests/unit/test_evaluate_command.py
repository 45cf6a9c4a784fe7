"""`aidpost evaluate` on data that is not what it should be: one clear sentence, no traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner

from firmware.commands.evaluate import evaluate
from firmware.commands.evaluation_output import Outputs
from inference.models.catalogue import FOLDER
from tests.kit.drawn_evaluations import drawn_evaluation, drawn_set


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments], terminal_width=200)
    return result.exit_code, " ".join(result.output.split())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    code, output = run("finger", "--images", tmp_path / "none", "--sensor", "R503")
    assert code == 1
    assert f"the folder {tmp_path / 'none'} does not exist" in output


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    code, output = run("finger", "--images", tmp_path)
    assert code == 1
    assert "holds no image" in output


def test_a_malformed_pairs_file_is_named_with_its_line(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("1\t1\nAnn\t1\n")
    code, output = run("face", "--images", tmp_path, "--pairs", pairs)
    assert code == 1
    assert "line 2" in output


def test_other_face_networks_are_held_to_their_own_cards(tmp_path: Path) -> None:
    for name in ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.jpg", "Bob/Bob_0002.jpg"):
        image = tmp_path / name
        image.parent.mkdir(exist_ok=True)
        image.touch()
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("1\t2\nAnn\t1\t2\nBob\t1\t2\nAnn\t1\tBob\t1\nAnn\t2\tBob\t2\n")
    for name in ("yunet.card.toml", "yunet.tflite", "sface.card.toml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "yunet.tflite", tmp_path / "sface.tflite")
    code, output = run("face", "--images", tmp_path, "--pairs", pairs, "--models", tmp_path)
    assert code == 1
    assert "sface.tflite is not the model of its card" in output


def test_an_operating_point_needs_a_sensor_model(tmp_path: Path) -> None:
    code, output = run("finger", "--images", tmp_path, "--operating-point", tmp_path / "point.json")
    assert code == 2
    assert "name it with --sensor" in output


def test_a_sensor_and_a_size_that_it_does_not_send_are_refused(tmp_path: Path) -> None:
    code, output = run("finger", "--images", tmp_path, "--sensor", "R503", "--sensor-like", "256x288")
    assert code == 2
    assert "R503 sends 192x192, not 256x288" in output


def test_a_malformed_cohort_file_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    cohorts = tmp_path / "cohorts.csv"
    cohorts.write_text("who,sex\n")
    code, output = run("finger", "--images", tmp_path, "--cohorts", cohorts)
    assert code == 1
    assert "row 1: expected a column named image or identity" in output


def blank_fingers(folder: Path) -> Path:
    """Make images that the listing takes and that no template can be made of."""
    for name in ("a_1.png", "a_2.png", "b_1.png"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("option", "place", "sentence"),
    [
        ("--json", "/dev/full", "/dev/full cannot be written: No space left on device"),
        ("--json", "/proc/y.json", "/proc cannot be written: No such file or directory"),
        ("--json", "file/y.json", "file cannot be made: File exists"),
        ("--plots", "/proc/plots", "/proc/plots cannot be made: No such file or directory"),
        ("--operating-point", "/dev/full", "/dev/full is no file"),
        ("--operating-point", "file", "file is not an operating point"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(
    option: str, place: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("{}")
    arguments = ("--images", blank_fingers(tmp_path), "--sensor", "R503", option, tmp_path / place)
    code, output = run("finger", *arguments)
    assert code == 1
    assert sentence in output
    assert "templates" not in output


def test_an_output_that_fails_after_all_does_not_cost_the_others(tmp_path: Path) -> None:
    evaluation = drawn_evaluation("finger/R503", [drawn_set("drawn", 20, 4, distance=4, seed=1)])
    point = tmp_path / "point.json"
    with pytest.raises(ClickException, match="/dev/full cannot be written: No space left"):
        Outputs(Path("/dev/full"), None, operating_point=point).write(evaluation)
    assert point.is_file()


def test_cohorts_that_name_nobody_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    cohorts = tmp_path / "cohorts.csv"
    cohorts.write_text("identity,sex\nzed,f\n")
    code, output = run("finger", "--images", blank_fingers(tmp_path), "--cohorts", cohorts)
    assert code == 1
    assert "no row names any identity of the data, which are named as in a" in output
    assert "templates" not in output


def test_plots_without_the_library_that_draws_them_are_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    absent = "import sys; sys.modules['matplotlib'] = None; from firmware.cli import main; main()"
    arguments = f"evaluate finger --images {tmp_path} --plots {tmp_path / 'plots'}".split()
    ended = subprocess.run(
        [sys.executable, "-c", absent, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "pip install 'aidpost[evaluation]'" in ended.stderr


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("face", ("--images", "--pairs", "--cohorts", "--operating-point", "--models", "--frames")),
        ("finger", ("--images", "--sensor-like", "--sensor", "--ppi", "--cohorts", "--operating-point")),
        ("fuse", ("--faces", "--pairs", "--fingers", "--sensor-like", "--pairings", "--seed")),
    ],
)
def test_the_options_are_explained(command: str, own: tuple[str, ...]) -> None:
    code, output = run(command, "--help")
    assert code == 0
    for option in (*own, "--jobs", "--json", "--plots", "--runtime"):
        assert option in output
