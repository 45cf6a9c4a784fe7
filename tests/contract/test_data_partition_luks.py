"""The data partition on real LUKS and ext4, in a Linux of its own that has the device mapper."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.kit import small_linux
from tests.kit.luks_room import WORD

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.skipif(not small_linux.is_here(), reason="needs Debian's user-mode-linux")
@pytest.mark.skipif(
    not all(shutil.which(each, path="/usr/sbin") for each in ("cryptsetup", "sfdisk")),
    reason="needs Debian's cryptsetup-bin and fdisk",
)
def test_a_partition_is_made_opened_again_and_closed_to_other_boards(tmp_path: Path) -> None:
    python = shlex.quote(sys.executable)
    modules = "cbc dm-crypt ext4 xts adiantum chacha_generic nhpoly1305 algif_skcipher"
    script = f"""
mkdir -p /run/modules/lib/modules
ln -s /usr/lib/uml/modules/$(uname -r) /run/modules/lib/modules/
for module in {modules}; do modprobe --dirname /run/modules $module; done
mkdir /run/cryptsetup
cd {shlex.quote(str(REPOSITORY))}
{python} -m tests.kit.luks_room {small_linux.ROOM}
"""
    status, said = small_linux.run(tmp_path, script)
    assert status == 0, said
    assert said.count("does not open with the secret of this board") == 2
    for processor, cipher in (("aes", "aes-xts-plain64"), ("without", "xchacha12,aes-adiantum-plain64")):
        told = said.partition(f"{processor} {WORD}")[2]
        assert f"cipher:  {cipher}" in told, said
