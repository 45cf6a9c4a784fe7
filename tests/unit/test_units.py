"""The units give a service what it needs and nothing else, by systemd's own judgement, and hang together."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from imaging.slot import COMMAND_LINE

IMAGE_BUILD = Path(__file__).parents[2] / "image-build"
UNITS = sorted((IMAGE_BUILD / "units").glob("*.service"))
OVERLAY = IMAGE_BUILD / "overlay"
SYSTEM_UNITS = "usr/lib/systemd/system"
OF_THE_IMAGE = sorted(
    path.name
    for folder in (IMAGE_BUILD / "units", OVERLAY / SYSTEM_UNITS)
    for path in folder.iterdir()
    if path.suffix in {".service", ".socket", ".timer", ".mount", ".path"}
)
ANALYSE = shutil.which("systemd-analyze")
NFT = shutil.which("nft", path="/usr/sbin:/usr/bin")
HOST_UNITS = Path("/usr/lib/systemd/system")
MOST_EXPOSED = 1.5  # of 10, as `systemd-analyze security` counts
WAYS_TO_A_SHELL = (
    "autovt@.service",
    "console-getty.service",
    "container-getty@.service",
    "debug-shell.service",
    "getty@.service",
    "rescue.service",
    "serial-getty@.service",
)
needs_systemd = pytest.mark.skipif(ANALYSE is None, reason="needs Debian's systemd")


def said_by(*arguments: str) -> str:
    assert ANALYSE is not None
    done = subprocess.run([ANALYSE, *arguments], capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}"


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_is_exposed_as_little_as_its_work_allows(unit: Path) -> None:
    judged = said_by("security", "--offline=true", "--no-pager", str(unit))
    level = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", judged)
    assert level is not None, judged
    assert float(level[1]) <= MOST_EXPOSED, judged


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the image's units beside the host's, and an empty program for each that they start."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(HOST_UNITS, root / SYSTEM_UNITS, symlinks=True)
    shutil.copytree(OVERLAY, root, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(IMAGE_BUILD / "units", root / SYSTEM_UNITS, dirs_exist_ok=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin").mkdir(exist_ok=True)
    for name in OF_THE_IMAGE:
        text = (root / SYSTEM_UNITS / name).read_text()
        for program in re.findall(r"^Exec\w+=[-+!:@]*/(\S+)", text, re.MULTILINE):
            (root / program).parent.mkdir(parents=True, exist_ok=True)
            (root / program).touch(mode=0o755)
    return root


@needs_systemd
@pytest.mark.skipif(not (HOST_UNITS / "basic.target").exists(), reason="needs Debian's systemd")
def test_systemd_understands_every_unit(root: Path) -> None:
    names = [name.replace("@.", "@1.") for name in OF_THE_IMAGE]
    assert said_by("verify", f"--root={root}", "--man=no", "--recursive-errors=no", *names) == ""


@pytest.mark.skipif(NFT is None, reason="no nft: image-build/host-packages.sh")
def test_the_packet_filter_is_understood_and_lets_nothing_in_by_itself() -> None:
    assert NFT is not None
    rules = OVERLAY / "etc/nftables.conf"
    # In a network of its own, where a check may be made without touching the host's.
    done = subprocess.run(
        ["/usr/bin/unshare", "--map-root-user", "--net", NFT, "--check", "--file", rules],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 or "Operation not permitted" in done.stderr, done.stderr
    text = rules.read_text()
    assert text.count("policy drop") == 2
    assert "elements" not in text


def test_no_package_has_the_last_word_on_a_setting() -> None:
    # Drop-ins are read by their names wherever they lie; Debian's syslog.conf of journald came after ours.
    ours = [*OVERLAY.glob("etc/systemd/*.conf.d/*"), *OVERLAY.glob("usr/lib/sysctl.d/*")]
    assert len(ours) == 4
    assert {path.name for path in ours} == {"zz-aidpost.conf"}


def test_the_appliance_and_its_camera_are_services_of_their_own() -> None:
    assert {"aidpost.service", "aidpost-capture@.service"} <= {unit.name for unit in UNITS}
    appliance = (IMAGE_BUILD / "units/aidpost.service").read_text()
    camera = (IMAGE_BUILD / "units/aidpost-capture@.service").read_text()
    assert "video" not in appliance.replace("[camera]", "")
    assert re.findall(r"^DeviceAllow=\S*(?:tty|gpio|tpm|vcio)", camera, re.MULTILINE) == []


def test_the_first_boot_may_do_what_the_appliance_may_and_no_more() -> None:
    appliance, first_boot = (
        (IMAGE_BUILD / "units" / f"{name}.service")
        .read_text()
        .partition("\nUser=")[2]
        .partition("[Install]")[0]
        for name in ("aidpost", "aidpost-first-boot")
    )
    assert appliance == first_boot


def test_both_services_may_draw_on_the_screen_that_the_image_names() -> None:
    base = tomllib.loads((OVERLAY / "usr/lib/aidpost/appliance.toml").read_text())
    console = Path(base["console"]["device"])
    for name in ("aidpost", "aidpost-first-boot"):
        unit = (IMAGE_BUILD / "units" / f"{name}.service").read_text()
        assert f"\nDeviceAllow={console} rw\n" in unit
    rules = (IMAGE_BUILD / "units/60-aidpost-devices.rules").read_text()
    assert f'KERNEL=="{console.name}", SUBSYSTEM=="tty", OWNER="aidpost"' in rules
    # No log in between: neither systemd's nor the kernel's, but for a panic.
    assert "systemd.show_status=no" in COMMAND_LINE.split()
    sysctl = (OVERLAY / "usr/lib/sysctl.d/zz-aidpost.conf").read_text()
    assert re.search(r"^kernel\.printk = 1 ", sysctl, re.MULTILINE)


def test_nothing_gives_a_shell() -> None:
    masked = OVERLAY / "etc/systemd/system"
    assert [name for name in WAYS_TO_A_SHELL if not _is_masked(masked / name)] == []
    assert _is_masked(OVERLAY / "etc/systemd/system-generators/systemd-getty-generator")
    # Where a start fails, systemd's own unit of this name would run sulogin.
    assert "sulogin" not in (OVERLAY / SYSTEM_UNITS / "emergency.service").read_text()


def _is_masked(path: Path) -> bool:
    return path.is_symlink() and str(path.readlink()) == "/dev/null"
