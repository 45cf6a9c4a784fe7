"""What was taken from a card's FAT partition is not on it any more: each byte of it is looked at."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import small_linux
from tests.unit.test_claim_file import CLAIM
from trust.claim_file import NAME

REPOSITORY = Path(__file__).parents[2]
WIFI = CLAIM.network.wifi
SECRETS = (
    CLAIM.aggregator.code,
    WIFI.passphrase if WIFI else "",
    CLAIM.supervisor.pin if CLAIM.supervisor else "",
)
TAKE = """
import sys
from pathlib import Path
from firmware.machine.claim_file import take_claim_file
print(take_claim_file(Path("/run/card"), Path("/run/data"), set_up=sys.argv[1] == "set up").name)
"""


@pytest.mark.skipif(not small_linux.is_here(), reason="needs Debian's user-mode-linux")
@pytest.mark.skipif(shutil.which("mcopy") is None, reason="needs Debian's mtools")
def test_neither_code_nor_passphrase_nor_pin_stays_on_the_card(tmp_path: Path) -> None:
    claim = tmp_path / NAME
    text = CLAIM.to_text()
    claim.write_text(text)
    states = ("new", "set up")
    for state in states:
        card = tmp_path / f"{state}.fat"
        with card.open("wb") as file:
            file.truncate(8 << 20)
        for words in (
            ("mformat", "-i", str(card), "::"),
            ("mcopy", "-i", str(card), str(claim), f"::{NAME}"),
        ):
            command = list(words)
            subprocess.run(command, check=True)
        assert all(_as_written(secret) in card.read_bytes() for secret in SECRETS)
    options = "rw,flush,noatime,umask=0077"  # as fstab of the image has them
    python = shlex.quote(sys.executable)
    (tmp_path / "take.py").write_text(TAKE)
    script = f"""
modules=$(echo /usr/lib/uml/modules/*/kernel/fs)
for module in nls/nls_cp437 nls/nls_ascii nls/nls_iso8859-1 nls/nls_utf8 fat/fat fat/vfat; do
    insmod $modules/$module.ko 2>/dev/null || true
done
mkdir /run/card /run/data
cd {shlex.quote(str(REPOSITORY))}
for state in {" ".join(map(shlex.quote, states))}; do
    mount -o loop,{options} -t vfat "{small_linux.ROOM}/$state.fat" /run/card
    PYTHONPATH=. {python} {small_linux.ROOM}/take.py "$state"
    test -z "$(ls /run/card)"
    umount /run/card
done
"""
    status, said = small_linux.run(tmp_path, script)
    assert status == 0, said
    assert said.split() == ["TAKEN", "REFUSED"]
    for state in states:
        left = (tmp_path / f"{state}.fat").read_bytes()
        assert [secret for secret in SECRETS if _as_written(secret) in left] == []


def _as_written(secret: str) -> bytes:
    return secret.replace("\\", "\\\\").replace('"', '\\"').encode()
