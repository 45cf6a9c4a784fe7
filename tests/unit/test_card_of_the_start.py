"""Partitions are those of the disk that the machine started from, and no memory stick's of the same names."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

IMAGE_BUILD = Path(__file__).parents[2] / "image-build"
CARD_SH = IMAGE_BUILD / "imaging/card.sh"
BUSYBOX = shutil.which("busybox")
LABELS = ("selector", "boot_a", "boot_b", "root_a", "root_b", "data")
CARD = ("mmcblk0", "devices/platform/emmc2bus/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block")
STICK = ("sda", "devices/platform/axi/1000120000.pcie/1f00200000.usb/xhci-hcd.0/usb1/1-1/1-1:1.0/host0/block")
NVME = ("nvme0n1", "devices/platform/axi/1000110000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0/nvme/nvme0")
READER = (
    "mmcblk1",
    "devices/platform/scb/fd500000.pcie/pci0000:00/usb2/2-1/2-1:1.0/rtsx.0/mmc_host/mmc1/block",
)
VIRTIO = ("vda", "devices/platform/4010000000.pcie/pci0000:00/0000:00:02.0/virtio1/block")
TOLD = {"nothing": "", "card": "1", "USB": "4", "NVMe": "6"}


def plug(sys: Path, disk: tuple[str, str], labels: Sequence[str]) -> None:
    name, place = disk
    folder = sys / place / name
    for number, label in enumerate(labels, start=1):
        part = folder / f"{name}{'p' if name[-1].isdigit() else ''}{number}"
        part.mkdir(parents=True)
        (part / "uevent").write_text(f"DEVTYPE=partition\nPARTN={number}\nPARTNAME={label}\n")
    (sys / "block").mkdir(exist_ok=True)
    (sys / "block" / name).symlink_to(folder)


def found(sys: Path, told: str) -> list[str]:
    """Return the card's name, and the device of its selector, as the initial file system finds them."""
    script = f"""
B={BUSYBOX} sys={sys}
. {CARD_SH}
card=$(card_among $(kinds_for "{TOLD[told]}"))
[ -z "$card" ] || echo ${{card##*/}} $(device_of selector)
"""
    assert BUSYBOX is not None
    done = subprocess.run([BUSYBOX, "sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(BUSYBOX is None, reason="needs Debian's busybox")
@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize(
    "disks",
    [(CARD,), (NVME,), (VIRTIO,), (CARD, NVME), ()],
    ids=["card", "NVMe", "QEMU", "card and NVMe", "none"],
)
def test_a_copy_of_the_card_on_a_stick_is_taken_only_where_the_start_was_from_usb(
    tmp_path: Path, disks: Sequence[tuple[str, str]], told: str
) -> None:
    for disk in (STICK, READER, *disks):
        plug(tmp_path, disk, LABELS)
    fits = {"nothing": disks, "card": [CARD], "USB": [READER], "NVMe": [NVME]}[told]
    name = next((disk[0] for disk in fits if disk in (*disks, READER)), "")
    selector = f"/dev/{name}{'p' if name[-1:].isdigit() else ''}1"
    assert found(tmp_path, told) == ([name, selector] if name else [])


@pytest.mark.skipif(BUSYBOX is None, reason="needs Debian's busybox")
@pytest.mark.parametrize("lacking", LABELS[:5])
def test_a_disk_that_has_only_some_of_the_names_is_not_the_card(tmp_path: Path, lacking: str) -> None:
    plug(tmp_path, VIRTIO, LABELS)
    plug(tmp_path, ("sdb", "devices/pci0000:00/ata1/block"), [label for label in LABELS if label != lacking])
    assert found(tmp_path, "nothing") == ["vda", "/dev/vda1"]


def test_nothing_in_the_image_takes_a_partition_of_whichever_disk() -> None:
    files = [
        path
        for folder in (IMAGE_BUILD / "overlay", IMAGE_BUILD / "units", IMAGE_BUILD.parent / "firmware")
        for path in folder.rglob("*")
        if path.suffix not in {".rules", ".pyc"} and path.is_file() and not path.is_symlink()
    ]
    texts = {path: path.read_text(errors="replace") for path in files}
    anywhere = re.compile(r"/dev/disk/|dev-disk-|\b(PART)?(LABEL|UUID)=")
    assert [str(path) for path, text in texts.items() if anywhere.search(text)] == []
    named = re.findall(r"\bdev[-/]aidpost[-/](\w+)", "\n".join(texts.values()))
    assert set(named) == {"selector", "boot_a", "boot_b", "root_a", "root_b", "data"}
