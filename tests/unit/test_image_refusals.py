"""A build that cannot succeed says so at once and what to do; one that is stopped leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from imaging import build, keyring, keys
from imaging.build import Order
from imaging.cli import main
from imaging.commands import CommandFailed, run
from imaging.recipe import load
from imaging.steps import BuildFailed, Steps

NOW = datetime.now(UTC)


def order(folder: Path, **more: object) -> Order:
    return Order(version="1.2.0", kernel="debian", out=folder / "out", cache=folder / "cache", **more)  # type: ignore[arg-type]


# A build that should refuse, and does not, ends at once: this can be no folder.
NO_CACHE = ("--cache", f"{__file__}/cache")


def told(*words: str | Path) -> str:
    answer = CliRunner().invoke(main, [str(word) for word in words])
    assert answer.exit_code != 0
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    return " ".join(answer.output.split())


@pytest.mark.parametrize("version", ["", "new", "1.2.0 final"])
def test_a_version_that_no_appliance_could_compare_is_refused_first(tmp_path: Path, version: str) -> None:
    assert "write it as 1.2.0" in told(
        "build", f"--version={version or ' '}", "--out", tmp_path / "out", *NO_CACHE
    )
    assert not (tmp_path / "out").exists()


def keyring_of(folder: Path, kind: str) -> bytes:
    """Return a keyring with this fault."""
    made = keys.make(folder / "keys", NOW - timedelta(days=keys.AUTHORITY_DAYS + 2 if kind == "ended" else 0))
    whole = made.keyring.read_bytes()
    certificate, mark, crl = whole.partition(b"-----BEGIN X509 CRL")
    others = keys.make(folder / "others").keyring.read_bytes().partition(mark)[2]
    return {
        "ended": whole,
        "empty": b"",
        "no list": certificate,
        "list of another": certificate + mark + others,
        "list of another too": whole + mark + others,
        "damaged": certificate.replace(b"M", b"N", 1) + mark + crl,
        "private": whole + made.key.read_bytes(),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ended", "make another authority"),
        ("empty", "has no certificate"),
        ("no list", "put its CRL behind it"),
        ("list of another", "put its CRL behind it"),
        ("list of another too", "is of none of its authorities"),
        ("damaged", "is damaged"),
        ("private", "which every card would have"),
    ],
)
def test_a_keyring_that_would_take_no_update_is_refused_first(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "keyring.pem"
    path.write_bytes(keyring_of(tmp_path, kind))
    assert said in told("build", "--keyring", path, "--out", tmp_path / "out", *NO_CACHE)
    assert not (tmp_path / "out").exists()


def test_a_keyring_that_is_sound_is_taken(tmp_path: Path) -> None:
    made = keys.make(tmp_path / "keys")
    keyring.checked(made.keyring, NOW)
    keys.revoke(made.folder)
    keyring.checked(made.keyring, NOW)


def test_an_image_is_told_whose_updates_it_takes(tmp_path: Path) -> None:
    assert "TAKES NO UPDATES" in build.whose_updates(None)
    made = keys.make(tmp_path / "keys")
    assert "CRL number 1, 0 revoked" in build.whose_updates(made.keyring)
    keys.revoke(made.folder)
    assert "CRL number 2, 1 revoked" in build.whose_updates(made.keyring)


def test_keys_lie_where_the_build_looks(tmp_path: Path) -> None:
    project, place = Path(build.__file__).parents[2], tmp_path / "image-build"
    shutil.copytree(project / "image-build/imaging", place / "imaging")
    shutil.copyfile(project / "image-build/recipe.toml", place / "recipe.toml")
    subprocess.run([sys.executable, "-m", "imaging", "keys"], cwd=place, capture_output=True, check=True)
    assert (tmp_path / "out/image/keys/signer.key").exists()
    assert not (place / "out").exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_takes_no_keys_wherever_they_were_made(tmp_path: Path) -> None:
    shutil.copyfile(Path(build.__file__).parents[2] / ".gitignore", tmp_path / ".gitignore")
    for folder in ("out/image/keys", "image-build/out/image/keys"):
        keys.make(tmp_path / folder)
    git = [shutil.which("git") or "git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    adding = subprocess.run([*git, "add", "-An"], capture_output=True, text=True, check=True)
    assert adding.stdout == "add '.gitignore'\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="is refused for want of root before that")
def test_folders_that_cannot_be_and_a_disk_that_is_full_are_named(tmp_path: Path) -> None:
    steps, recipe = Steps(Console(quiet=True)), load()
    (tmp_path / "file").touch()
    with pytest.raises(BuildFailed, match="--out and --cache: Not a directory"):
        build.build(recipe, order(tmp_path / "file"), steps)
    # In a mount of its own, so that nothing has to be taken off afterwards.
    small = (
        f"mount -t tmpfs -o size=1M small {tmp_path} && "
        f"{sys.executable} -m imaging build --out {tmp_path}/out --cache {tmp_path}/cache"
    )
    command = ["unshare", "--mount", "sh", "-c", small]
    done = subprocess.run(command, cwd=Path(build.__file__).parents[1], capture_output=True, text=True)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("mounts are not allowed here")
    assert "GB free, and the build needs 2.0. The disk is full" in done.stderr


def test_a_step_says_what_its_program_lacked() -> None:
    steps = Steps(Console(quiet=True))
    with pytest.raises(BuildFailed, match="name folders on another one"), steps.step("Tools", "The network."):
        run(["sh", "-c", "echo 'tar: No space left on device' >&2; exit 2"])
    with pytest.raises(BuildFailed, match=r"image-packages\.sh"), steps.step("Tools"):
        run(["no-such-program"])
    with pytest.raises(CommandFailed):
        run(["false"])


def test_a_bundle_is_made_of_what_was_built_and_signed_with_keys_that_are_there(tmp_path: Path) -> None:
    root, boot = tmp_path / "root.img", tmp_path / "boot.img"
    for image in (root, boot):
        image.write_bytes(bytes(4096))
    words = ("bundle", "--root", root, "--boot", boot, tmp_path / "update.raucb")
    assert "keyring.pem is not there" in told(*words, "--keys", tmp_path / "none")
    keys.make(tmp_path / "keys")
    assert "name --version" in told(*words, "--keys", tmp_path / "keys")
    (tmp_path / "image.json").write_text('{"version": "1.2.0", "kernel": "debian"}')
    assert "is 1.2.0: build 1.3.0 first" in told(*words, "--keys", tmp_path / "keys", "--version", "1.3.0")
    assert build.built_before(tmp_path) == "1.2.0"
    assert build.built_before(tmp_path / "keys") is None


_LONG = """
import signal
from pathlib import Path
from imaging.toolbox import Toolbox
signal.signal(signal.SIGTERM, signal.default_int_handler)
Toolbox(Path("/"), (), 0).run("sh", "-c", "sleep {seconds} & echo > {mark}; sleep {seconds}")
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("chroot") is None, reason="the build enters roots as root"
)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_leaves_no_process_and_no_mount(tmp_path: Path, stop: int) -> None:
    mark, seconds = tmp_path / "begun", f"86400.{os.getpid()}{int(stop):02}"
    os.mkfifo(mark)
    before = Path("/proc/self/mounts").read_text()
    command = [sys.executable, "-c", _LONG.format(seconds=seconds, mark=mark)]
    place = Path(build.__file__).parents[1]
    with subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True) as building:
        mark.read_text()  # until it runs
        building.send_signal(stop)
        _, said = building.communicate()
    if "Operation not permitted" in said:
        pytest.skip("namespaces are not allowed here")
    assert "KeyboardInterrupt" in said
    assert Path("/proc/self/mounts").read_text() == before
    left = subprocess.run(["/usr/bin/pgrep", "-f", f"sleep {seconds}"], capture_output=True, text=True)
    assert left.stdout == ""
