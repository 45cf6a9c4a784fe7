"""What continuous integration looks at to know whether the image is another one than was tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.image import tried
from tests.image.result import Notes, Result, with_table
from tests.image.smoke import is_of_this_machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "units/aidpost.service",
        "recipe.toml",
        "imaging/init.sh",
        "server/compose.yaml",
        "host-packages.sh",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["units/aidpost.service", "recipe.toml", "imaging/init.sh"])
def test_a_change_of_what_the_image_is_made_of_is_seen(folder: Path, name: str) -> None:
    before = tried.digest(folder)
    (folder / name).write_text("another")
    assert tried.digest(folder) != before
    (folder / name).write_text(name)
    assert tried.digest(folder) == before
    (folder / name).rename(folder / f"{name}.new")
    assert tried.digest(folder) != before


def test_other_wheels_are_another_image(folder: Path) -> None:
    (lock := folder.parent / "uv.lock").write_text("numpy 2")
    before = tried.digest(folder, lock)
    lock.write_text("numpy 3")
    assert tried.digest(folder, lock) != before


@pytest.mark.parametrize(
    ("said", "here"),
    [
        ("E: Unable to locate package dropbare-bin\nThe packages come over the network: try again", False),
        ("Could not resolve 'deb.debian.org'\nThe packages come over the network: try again", True),
        ("the recipe asks for what is not there: nonesuch", False),
        ("another build uses out/image/cache: wait for it", True),
    ],
)
def test_what_the_recipe_asks_in_vain_is_no_fault_of_the_machine(said: str, here: bool) -> None:
    assert is_of_this_machine(said) is here


def test_what_is_not_in_the_image_changes_nothing(folder: Path) -> None:
    before = tried.digest(folder)
    (folder / "server/compose.yaml").write_text("another")
    (folder / "host-packages.sh").write_text("another")
    (folder / "tried.json").write_text("{}")
    assert tried.digest(folder) == before


def test_only_what_ran_without_a_fault_on_this_image_counts_as_tried(tmp_path: Path) -> None:
    def result(scenario: str, digest: str, *wrong: str) -> Result:
        return Result(scenario=scenario, seen=(), wrong=wrong, took_s=1.0, digest=digest)

    now = tried.digest()
    path = tmp_path / "tried.json"
    tried.write([result("boot", now), result("life", now, "lost"), result("updates", "old")], "c0ffee", path)
    assert tried.read(path) == tried.Tried(digest=now, commit="c0ffee", scenarios=("boot",))
    assert tried.read(tmp_path / "none.json") is None


def test_a_page_takes_the_table_of_what_was_seen() -> None:
    notes = Notes("boot", lambda _: None)
    notes.check(True, "it boots")
    notes.check(False, "it sings", "silence")
    page = with_table(
        "before\n<!-- made by `make image-test` -->\nold\n<!-- end -->\nafter\n", [notes.result()]
    )
    assert page.startswith("before\n")
    assert page.endswith("<!-- end -->\nafter\n")
    assert "| boot | it boots | 0 s | not so: it sings; silence |" in page
