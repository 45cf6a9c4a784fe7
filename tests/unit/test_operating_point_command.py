"""`aidpost operating-point show`: what thresholds rest on, for a data-protection officer to read."""

import re
from pathlib import Path

from click.testing import CliRunner

from firmware.cli import main
from inference.evaluation.record import save
from tests.kit.operating_points import drawn_operating_point


def show(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(
        main, ["operating-point", "show", *map(str, arguments)], terminal_width=160
    )
    return result.exit_code, " ".join(result.output.split())


def test_thresholds_are_shown_with_their_bounds_and_what_is_not_supported(tmp_path: Path) -> None:
    save(drawn_operating_point(), tmp_path / "point.json")
    code, output = show(tmp_path / "point.json")
    assert code == 0
    row = drawn_operating_point().sources["face"].rows[1]
    assert f"face 1e-03 {row.threshold_llr:.2f} {row.fmr_measured:.1e} {row.fmr_upper_bound_95:.1e}" in output
    assert "finger/R503: FMR 1e-04 is not supported, 10,000 impostor comparisons of 30,000" in output
    assert "strong: at most 1 in 10,000 other people" in output


def test_a_gallery_that_the_data_cannot_support_is_refused_with_the_largest_one(tmp_path: Path) -> None:
    save(drawn_operating_point(), tmp_path / "point.json")
    code, output = show(tmp_path / "point.json", "--gallery", "100")
    assert code == 0
    assert "finger/R503 refused 33" in output  # FPIR 1 % at 3 in 10,000
    assert "face 1.0e-04" in output
    # Entries that a search brings up wrongly; the most that a face of several frames can still be found in.
    assert "0.01 211" in output
    assert re.search(r"face \+ finger/R503 1\.0e-04 \S+ 0\.01 [\d,]+ \*", output)
    assert "* rests on the independence of the sources alone" in output


def test_another_file_is_one_clear_sentence(tmp_path: Path) -> None:
    code, output = show(tmp_path / "none.json")
    assert code == 1
    assert "cannot be read" in output
