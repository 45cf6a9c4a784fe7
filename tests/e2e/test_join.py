"""`aidpost join` as an installer and an operator do it: two real commands, a real aggregator."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware.cli import main
from firmware.demo.server import Server

CONFIG = """
[device]
id = "kit-07"
site = "north-gate"
purpose = "clinic check-in"
data = "state"

[keys]
guard = "file"

[camera]
driver = "replay"
device = "faces"

[uplink]
target = "{target}"
"""


def configured(folder: Path, target: str) -> Path:
    path = folder / "aidpost.toml"
    path.write_text(CONFIG.format(target=target))
    return path


async def test_a_device_joins_by_claim_code_and_approval(tmp_path: Path) -> None:
    server = await Server.start(tmp_path)
    try:
        config = configured(tmp_path, server.target)
        before = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--config", str(config)])
        assert "not joined: ask for a claim code" in " ".join(before.output.split())
        code = (await server.administer("claim", "create", "--site", "north-gate")).strip()
        joining = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("aidpost")),
            *("join", "--config", str(config), "--claim", "-"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert joining.stdout is not None
        assert joining.stdin is not None
        joining.stdin.write(f"{code[:-1]}\n{code}\n".encode())  # the first with a slip
        said: list[str] = []
        async with asyncio.timeout(60):
            while not (said and said[-1].startswith("Waiting for the operator's approval")):
                said.append((await joining.stdout.readline()).decode())
                assert said[-1], await joining.communicate()
        (words,) = [line.split()[-1] for line in said if line.startswith("Its key:")]
        assert words in await server.administer("devices", "pending")
        await server.administer("devices", "approve", "kit-07", words)
        async with asyncio.timeout(60):
            out, _ = await joining.communicate()
        assert (joining.returncode, "Joined." in out.decode()) == (0, True)
        after = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--config", str(config)])
        assert "kit-07 at north-gate, certificate until 20" in " ".join(after.output.split())
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--claim", "00000-" * 8 + "00001"], "seen by whoever lists the processes"),
        (["--claim-file", "short.txt"], "45 letters and digits"),
        (["--claim-file", "slip.txt"], "slip"),
        (["--claim-file", "none.txt"], "none.txt cannot be read"),
        (["--claim-file", "picture.txt"], "no text file"),
        ([], "needs a claim code"),
        (["--target", "nowhere"], "host:port"),
    ],
)
def test_what_cannot_join_is_told_why(tmp_path: Path, words: list[str], sentence: str) -> None:
    config = configured(tmp_path, "127.0.0.1:9")
    (tmp_path / "short.txt").write_text("7K3QD\n")
    (tmp_path / "slip.txt").write_text("00000-" * 8 + "00001\n")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff")
    words = [str(tmp_path / word) if word.endswith(".txt") else word for word in words]
    answer = CliRunner().invoke(main, ["join", "--config", str(config), *words])
    assert answer.exit_code in (1, 2)
    assert sentence in " ".join(answer.output.replace("│", " ").split())
