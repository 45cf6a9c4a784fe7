"""The image's recipe: what is wrong with one is said in words, and ours is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from imaging.recipe import RECIPE, RecipeUnusable, load


def test_the_projects_own_recipe_is_sound() -> None:
    recipe = load()
    assert {"rauc", "python3", "cryptsetup-bin"} <= set(recipe.root_packages())
    assert set(recipe.kernel.sources) == {"debian", "raspberrypi"}


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("boot_mib = 96", "boot_mb = 96", "unknown key `boot_mb` in [disk]"),
        ("boot_mib = 96", "boot_mib = 12", "boot_mib = 12 is too small: 48 at least"),
        ("root_mib = 256", "root_mib = 100", "does not hold the 160 MB of"),
        ('python = ["python3"]', "python = []", "length >= 1 - at `packages[...]`"),
        ('python = ["python3"]', 'python = ["python3", "rauc"]', "listed twice in [packages]: rauc"),
        ('"crc32c_generic", ', "", "lacks what opens the root: crc32c_generic"),
        ('packages = ["libegl-mesa0"]', 'packages = ["dbus"]', "both in [packages] and [absent]: dbus"),
        ('snapshot = "20261126T000000Z"', 'snapshot = "now"', "at `debian.snapshot`"),
        ('snapshot = "20261126T000000Z"', 'snapshot = "20269926T000000Z"', "20269926T000000Z is no day"),
        ('components = ["main"', 'components = ["main; x"', "at `debian.components[0]`"),
        ('archive = "http://', 'archive = "file://', "at `kernel.sources[...].archive`"),
        ("[disk]", f"deep = {'[' * 100_000}\n[disk]", "is not valid TOML"),
        ("[exclude]", "[excluded]", "unknown key `excluded` in the top level"),
        ("[disk]", "[disk", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, written: str, instead: str, said: str) -> None:
    text = RECIPE.read_text()
    assert text.count(written) == 1
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text.replace(written, instead))
    with pytest.raises(RecipeUnusable) as refused:
        load(recipe)
    assert said in str(refused.value)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeUnusable, match=r"cannot read the recipe .*none.toml: No such file"):
        load(tmp_path / "none.toml")
