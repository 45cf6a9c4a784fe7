"""What commands write: never over a file that is there, and refused in a sentence before the work."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from firmware.cli import main
from firmware.commands.lists import today
from firmware.commands.output_files import write_new
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from trust.issuer import IssuerKey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an issuer's key and two lists, `cycle.csv` and `day.csv`."""
    IssuerKey.create(tmp_path / "issuer.pem")
    write_template(distribution_rows("camp-3", "desk-1", today()), tmp_path / "cycle.csv")
    write_template(clinic_rows("camp-3", today()), tmp_path / "day.csv")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0")
    return tmp_path


def run(folder: Path, words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(main, [word.replace("@", f"{folder}/") for word in words.split()])
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, answer.output


@pytest.mark.parametrize(
    "words",
    [
        "cards sheet @cycle.csv --key @issuer.pem --out",
        "cards tokens @day.csv --device desk-1 --out",
        "cards keys new",
        "simulate day --workflow clinic --people 3 --hours 1 --json",
        "bench --json",
        "demo --json",
        "demo --picture",
    ],
)
def test_what_is_there_is_never_written_over(folder: Path, words: str) -> None:
    for there in ("issuer.pem", "cycle.csv"):
        before = (folder / there).read_bytes()
        code, said = run(folder, f"{words} @{there}")
        assert (code != 0, "is there already: name a new file" in said) == (True, True), said
        assert (folder / there).read_bytes() == before


def test_a_sheet_is_written_once(folder: Path) -> None:
    words = "cards sheet @cycle.csv --key @issuer.pem --out @cards.pdf"
    assert run(folder, words)[0] == 0
    assert (folder / "cards.pdf").read_bytes().startswith(b"%PDF")
    assert run(folder, words)[0] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("cards sheet @cycle.csv --key @issuer.pem --out @c.pdf --until 2200-01-01", "is the last day"),
        ("cards sheet @picture.png --key @issuer.pem --out @c.pdf", "neither CSV nor XLSX nor signed"),
        ("cards tokens @day.csv --device= --out @t.pdf", "'' is no name of a device"),
        ("cards tokens @day.csv --device --- --out @t.pdf", "'---' is no name of a device"),
        ("simulate day --workflow clinic --people 3 --lanes 4", "3 people make no 4 lists"),
        ("simulate day --workflow clinic --people 3 --hours nan", "no number that can be worked with"),
        ("simulate day --workflow clinic --people 3 --json /proc/x", "/proc cannot be written"),
        ("simulate day --workflow clinic --people 3 --json /dev/full", "No space left on device"),
        ("list template clinic --out @day.txt", "ends with .csv or .xlsx"),
        ("list template clinic --site= --out @new.csv", "'' is no name of a site"),
        ("decision explain --file /dev/null record 12", "`aidpost audit export` wrote: it is empty"),
        ("decision explain --file @cycle.csv 12", "no file that `aidpost audit export` wrote"),
        ("decision explain --file @picture.png 12", "no file that `aidpost audit export` wrote"),
        ("policy check /dev/null", "empty, and no data policy: one says format"),
        ("policy check @issuer.pem", "no data policy, which is TOML text"),
        ("policy check @picture.png", "no data policy, which is TOML text"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence_before_the_work(
    folder: Path, words: str, sentence: str
) -> None:
    before = sorted(folder.iterdir())
    code, said = run(folder, words)
    assert code != 0
    assert sentence in " ".join(said.split())
    assert sorted(folder.iterdir()) == before


def test_a_full_disk_is_a_sentence_and_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="/dev/full cannot be written: No space left on device"):
        write_new(Path("/dev/full"), b"figures")
    write_new(tmp_path / "kept", b"secret", private=True)
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(click.ClickException, match="is there already"):
        write_new(tmp_path / "link", b"figures")
