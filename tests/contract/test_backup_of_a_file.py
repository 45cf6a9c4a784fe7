"""A store's file is copied while its server writes, and the copy is a store that goes on."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from click.testing import CliRunner

from aggregator.cli import main
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.link_device import LinkDevice, check_in, dialled


def restore(copied: Path, folder: Path) -> None:
    for path in folder.glob("store.db*"):
        path.unlink()
    for path in copied.iterdir():
        shutil.move(path, folder)


async def test_a_copy_made_beside_the_server_takes_its_place(tmp_path: Path) -> None:
    store, copied = tmp_path / "store.db", tmp_path / "copied"
    arguments = ["backup", f"--store={store}", f"--to={copied}"]
    async with running_aggregator(store) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        await device.hello()
        assert await device.report(check_in(seq) for seq in range(1, 11)) == 10
        done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        assert (done.exit_code, "and 1 files" in done.stdout) == (0, True), done.output
        assert await device.report(check_in(seq) for seq in range(11, 21)) == 20
    again = CliRunner().invoke(main, arguments)
    assert (again.exit_code, "name a new folder" in again.stderr) == (1, True)
    assert [path.stat().st_mode & 0o077 for path in copied.iterdir()] == [0, 0]

    key = (tmp_path / "store.db.receipt-key.pem").read_bytes()
    restore(copied, tmp_path)
    async with running_aggregator(store) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        assert (await device.hello()).acked_seq == 10
        assert await device.report(check_in(seq) for seq in range(11, 21)) == 20
        assert [event.seq for event in server.events()] == list(range(1, 21))
    assert (tmp_path / "store.db.receipt-key.pem").read_bytes() == key
