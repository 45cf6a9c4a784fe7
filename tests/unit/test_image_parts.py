"""Parts of the image's build that need no root: initial file system, modules, versions, bill of materials."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import msgspec
import pytest

import firmware
from firmware.slots.machine import Slot
from firmware.slots.selector import PARTITIONS
from imaging import archives, base, bom, disk, initrd, kernel, lock, root
from imaging.hashing import key
from imaging.recipe import load
from tests.kit.card_table import IMAGE_BYTES, SFDISK, make_card, master_boot_record, table_of

EPOCH = 1_795_651_200


def test_an_initial_file_system_unpacks_as_the_kernel_does() -> None:
    files = {
        "bin": (stat.S_IFDIR | 0o755, b""),
        "bin/init": (stat.S_IFREG | 0o755, b"#!/bin/sh\nodd"),
        "bin/sh": (stat.S_IFLNK | 0o777, b"busybox"),
    }
    packed = initrd.archive(files, EPOCH)
    unpacked = {}
    while (name := packed[110 : 110 + int(packed[94:102], 16) - 1].decode()) != "TRAILER!!!":
        assert packed.startswith(b"070701")
        mode, mtime, size = (int(packed[at : at + 8], 16) for at in (14, 46, 54))
        begin = -(-(110 + len(name) + 1) // 4) * 4
        unpacked[name] = (mode, packed[begin : begin + size])
        assert mtime == EPOCH
        packed = packed[-(-(begin + size) // 4) * 4 :]
    assert unpacked == files


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "modules.dep").write_text(
        "kernel/md/dm-verity.ko.xz: kernel/md/dm-bufio.ko.xz kernel/md/dm-mod.ko.xz\n"
        "kernel/md/dm-bufio.ko.xz: kernel/md/dm-mod.ko.xz\nkernel/md/dm-mod.ko.xz:\n"
    )
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    return tmp_path


def test_a_module_comes_after_what_it_needs(modules: Path) -> None:
    names = [file.name for file in kernel.closure(modules, ["dm_verity", "virtio_pci"])]
    assert names == ["dm-mod.ko.xz", "dm-bufio.ko.xz", "dm-verity.ko.xz"]


def test_a_module_that_the_kernel_lacks_is_named(modules: Path) -> None:
    with pytest.raises(kernel.ModulesMissing, match="nonesuch"):
        kernel.closure(modules, ["dm_verity", "nonesuch"])


def test_a_module_that_another_kernel_alone_has_is_left_out(modules: Path) -> None:
    names = [file.name for file in kernel.closure(modules, ["dm_bufio"], ["nonesuch", "dm_verity"])]
    assert names == ["dm-mod.ko.xz", "dm-bufio.ko.xz", "dm-verity.ko.xz"]


def test_each_source_of_a_kernel_has_a_place_in_the_cache() -> None:
    """A keyring is a path, which JSON has no word for."""
    sources = load().kernel.sources
    assert len({key(name, source) for name, source in sources.items()}) == len(sources) == 2


STATUS = """\
Package: rauc
Status: install ok installed
Version: 1.13-3+deb13u1

Package: gone
Status: deinstall ok config-files
Version: 1

Package: aidpost-absent
Status: install ok installed
Version: 1
"""


def test_versions_are_those_of_installed_packages() -> None:
    assert base.installed(STATUS) == {"rauc": "1.13-3+deb13u1"}


def test_what_is_not_as_locked_is_said(tmp_path: Path) -> None:
    file = tmp_path / "packages.lock"
    lock.save({"root": {"rauc": "1.13", "old": "1"}}, file)
    found = {"root": {"rauc": "1.14", "new": "2"}, "toolbox": {"zstd": "1.5"}}
    assert lock.differences(lock.load(file), found) == [
        "root: new not there is now 2",
        "root: old 1 is now not there",
        "root: rauc 1.13 is now 1.14",
    ]
    assert lock.differences(lock.load(file), {"root": {"rauc": "1.13", "old": "1"}}) == []


def test_what_the_project_locks_is_what_the_recipe_asks_for() -> None:
    locked, recipe = lock.load(), load()
    assert set(recipe.root_packages()) <= locked["root"].keys()
    assert set(recipe.toolbox.packages) <= locked["toolbox"].keys()


def test_the_bill_names_packages_and_wheels_with_licences(tmp_path: Path) -> None:
    notes = tmp_path / "usr/share/doc/rauc"
    notes.mkdir(parents=True)
    (notes / "copyright").write_text("Files: *\nLicense: LGPL-2.1\n\nFiles: test/*\nLicense: CC0-1.0\n")
    older = tmp_path / "usr/share/doc/libnl"
    older.mkdir()
    (older / "copyright").write_text("The text is in /usr/share/common-licenses/LGPL-2.1.\n")
    info = tmp_path / "site/msgspec-0.22.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Name: msgspec\nVersion: 0.22.0\nLicense-Expression: BSD-3-Clause\n\ntext\n"
    )
    components = [
        *bom.packages({"libnl": "3", "rauc": "1:1.13+x"}, "trixie", tmp_path),
        *bom.wheels(tmp_path / "site"),
    ]
    bill = bom.write("0.2.0", EPOCH, components)
    assert bill == bom.write("0.2.0", EPOCH, components)
    listed = msgspec.json.decode(bill)["components"]
    assert [(one["purl"], [x["license"]["name"] for x in one["licenses"]]) for one in listed] == [
        ("pkg:deb/debian/libnl@3?arch=arm64&distro=trixie", ["LGPL-2.1"]),
        ("pkg:deb/debian/rauc@1%3A1.13%2Bx?arch=arm64&distro=trixie", ["CC0-1.0", "LGPL-2.1"]),
        ("pkg:pypi/msgspec@0.22.0", ["BSD-3-Clause"]),
    ]
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.decode()) is None


def test_partitions_stand_where_the_boot_firmware_looks() -> None:
    labels = [label for label, _, _ in disk.partitions(load().disk)]
    assert labels == ["selector", "boot_a", "boot_b", "root_a", "root_b", "data"]
    assert {slot: labels[number - 1] for slot, number in PARTITIONS.items()} == {
        Slot.A: "boot_a",
        Slot.B: "boot_b",
    }


@pytest.mark.skipif(not Path(SFDISK).exists(), reason="no sfdisk: image-build/host-packages.sh")
def test_the_first_boards_find_the_same_partitions_by_the_same_numbers(tmp_path: Path) -> None:
    make_card(tmp_path / "card", IMAGE_BYTES)
    by_label, entries = table_of(tmp_path / "card"), master_boot_record(tmp_path / "card")
    # Type 0C is what the boot ROM of the Zero 2 W takes for FAT.
    assert entries[:3] == [(0x0C, *span) for span in list(by_label.values())[:3]]
    # Linux reads the GPT where an entry of this type begins at the first sector behind.
    assert entries[3] == (0xEE, 1, by_label["selector"][0] - 1)


def test_packages_come_from_the_recipes_day() -> None:
    debian = load().debian
    lines = archives.sources(archives.pinned(debian), debian, backports=True)
    assert all(f"/{debian.snapshot} " in line for line in lines)
    assert archives.epoch(debian) == EPOCH


def test_a_file_that_names_this_machine_is_found(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/plain").write_text("nothing")
    (tmp_path / "etc/sources").write_text("deb http://mirror.inside/debian trixie main")
    assert root.naming(tmp_path, ["mirror.inside"]) == ["etc/sources"]


# What the recipe prunes, as it is imported.
PRUNED = {
    "aiosmtplib", "grpc_health", "grpc_reflection", "grpc_status", "httpx", "lark", "pip",
    "prometheus_client", "setuptools", "uvloop",
}  # fmt: skip


def test_the_appliance_imports_nothing_that_the_image_leaves_out() -> None:
    project = Path(firmware.__file__).parents[1]
    sources = [
        path
        for part in ("sensors", "inference", "trust", "firmware", "protos/aidpost")
        for path in (project / part).rglob("*.py")
        # simulated fleets are the aggregator's command, and what builds is not run there
        if "simulate" not in path.parts and "build" not in path.parts
    ]
    imported = {
        (name.split(".")[0], path.relative_to(project))
        for path in sources
        for node in ast.walk(ast.parse(path.read_bytes()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {one for one in imported if one[0] in PRUNED} == set()


def test_licences_that_are_the_same_are_one_file(tmp_path: Path) -> None:
    texts = {"libone": "MIT", "libtwo": "MIT", "other": "BSD"}
    for name, text in texts.items():
        (place := tmp_path / "usr/share/doc" / name).mkdir(parents=True)
        (place / "copyright").write_text(text)
    root.share_licences(tmp_path)
    found = {name: (tmp_path / "usr/share/doc" / name / "copyright") for name in texts}
    assert {name: path.read_text() for name, path in found.items()} == texts
    assert len({path.stat().st_ino for path in found.values()}) == 2
