"""`aidpost-aggregator serve` as an operator meets it: it starts, crashes, starts again and stops."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from pathlib import Path

import grpc
import httpx
import pytest
from click.testing import CliRunner

from aggregator.authority import Authority, AuthorityError
from aggregator.cli import main
from aggregator.store.database import open_reader
from aggregator.store.reader import read_events
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import DeviceIdentity, join, shown
from tests.kit.link_device import SITE, LinkDevice, check_in, dialled


async def test_what_was_acknowledged_survives_a_crash_and_reporting_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with AggregatorProcess(store) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        await device.hello()
        acked_seq = 0

        async def report() -> None:
            nonlocal acked_seq
            while True:
                acked_seq = await device.report(check_in(acked_seq + step) for step in range(1, 8))

        reporting = asyncio.create_task(report())
        while acked_seq < 70:
            await asyncio.wait([reporting], timeout=0.01)
        await server.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await reporting

    with open_reader(store) as db:
        held = [event.seq for event in read_events(db)]
    assert held[:acked_seq] == list(range(1, acked_seq + 1))

    async with AggregatorProcess(store) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        resumed_at = (await device.hello()).acked_seq
        assert resumed_at == len(held)
        await device.report(check_in(seq) for seq in range(1, resumed_at + 11))
    with open_reader(store) as db:
        assert [event.seq for event in read_events(db)] == list(range(1, resumed_at + 11))


async def test_the_server_says_where_it_listens_and_ends_well_on_sigterm(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    async with AggregatorProcess(tmp_path / "store.db", f"--ready-file={ready}") as server:
        assert json.loads(ready.read_text())["listen"] == server.target
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{server.dashboard_url}/healthz")).status_code == 200
        assert await server.stop() == 0
        entries = [json.loads(line) for line in server.log().splitlines()]
    assert [entry["event"] for entry in entries] == [
        "server.insecure",
        "server.ready",
        "server.stopping",
        "server.stopped",
    ]


async def test_a_ready_file_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    server = AggregatorProcess(tmp_path / "store.db", f"--ready-file={tmp_path / 'none' / 'ready.json'}")
    with pytest.raises(RuntimeError, match=r"Error: cannot write .*ready\.json"):
        await server.start()


@pytest.mark.parametrize("option", ["--listen", "--dashboard", "--metrics"])
@pytest.mark.parametrize("address", ["0.0.0.0:50051", "[::]:50051", "192.0.2.7:50051"])
def test_nothing_that_other_machines_can_reach_is_open_to_everybody(
    tmp_path: Path, option: str, address: str
) -> None:
    words = ["serve", f"--store={tmp_path / 's.db'}", "--insecure-loopback", option, address]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 2
    assert "on this machine alone" in " ".join(answer.stderr.split())
    assert not (tmp_path / "s.db").exists()


def test_a_server_without_certificates_has_to_be_asked_for(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["serve", f"--store={tmp_path / 's.db'}"])
    assert answer.exit_code == 2
    assert "aidpost-aggregator init" in answer.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:port", "127.0.0.1:70000", ""])
def test_what_is_no_address_is_refused_with_an_example(tmp_path: Path, address: str) -> None:
    words = ["serve", f"--store={tmp_path / 's.db'}", "--insecure-loopback", "--listen", address]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 2
    assert "127.0.0.1:50051" in answer.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mail-server=mail.example:587",), "--mail-from"),
        (("--mail-from=aidpost@ops.example",), "name it too"),
        (("--hook-authorities=README.md",), "no certificates in PEM"),
    ],
)
def test_mail_and_webhooks_that_cannot_work_are_told_at_the_start(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    answer = CliRunner().invoke(
        main, ["serve", f"--store={tmp_path / 's.db'}", "--insecure-loopback", *words]
    )
    assert answer.exit_code == 2
    assert says in " ".join(answer.stderr.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--store=postgresql://host",), "postgresql://USER@HOST/DATABASE"),
        (("--store={folder}",), "is a directory"),
        (("--store=postgresql://a@127.0.0.1/b",), "--files"),
        (("--store={folder}/s.db", "--files={folder}"), "beside it"),
        (("--store={folder}/s.db", "--bus=nats://127.0.0.1:4222"), "store on a server"),
        (("--store=postgresql://a@127.0.0.1/b", "--files={folder}", "--bus=127.0.0.1"), "nats://HOST:4222"),
        (("--store=postgresql://a@127.0.0.1/b", "--files={folder}", "--workers=2"), "wake each other"),
        (("--store=postgresql://a@127.0.0.1:1/b", "--files={folder}"), "check that it runs"),
        (("--store=postgresql://a@127.0.0.1:1/b", "--files=/proc/no-such"), "cannot write in /proc/no-such"),
    ],
)
def test_a_store_and_a_bus_that_do_not_go_together_are_told_at_the_start(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    given = [word.format(folder=tmp_path) for word in words]
    answer = CliRunner().invoke(main, ["serve", "--insecure-loopback", *given])
    assert answer.exit_code in (1, 2)
    assert says in " ".join(answer.stderr.split())


@pytest.mark.parametrize("option", ["listen", "dashboard", "metrics"])
async def test_a_busy_port_is_said_clearly(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = f"127.0.0.1:{other.getsockname()[1]}"
        server = AggregatorProcess(tmp_path / "store.db", f"--{option}={busy}")
        with pytest.raises(RuntimeError, match=f"cannot listen on {busy}"):
            await server.start()


async def run_command(*words: str) -> str:
    """Run a command in this process, in a thread: the server is another one, and a start takes a second."""
    answer = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert answer.exit_code == 0, answer.output
    return answer.output


async def test_an_operator_lets_a_device_in_and_shuts_it_out_by_commands(tmp_path: Path) -> None:
    store, identity = tmp_path / "store.db", tmp_path / "identity"
    mine = str(tmp_path / "mine.pem")
    await run_command("init", "--store", str(store), "--identity", str(identity), "--credential", mine)
    assert stat.S_IMODE((identity / "authority.key").stat().st_mode) == 0o600
    authority = Authority.load(identity).certificate
    async with AggregatorProcess(store, identity=identity) as server:
        as_me = ("--server", server.target, "--credential", mine)
        code = (await run_command("claim", "create", "--site", SITE, *as_me)).splitlines()[0]
        device = DeviceIdentity("desk-1")
        await join(server.target, authority, device, code)
        assert device.words in await run_command("devices", "pending", *as_me)
        await run_command("devices", "approve", "desk-1", device.words, *as_me)
        await join(server.target, authority, device, code)
        for seq in range(1, 31):  # each a connection of its own, in the event loop that the server really has
            async with shown(server.target, authority, device.held()) as channel:
                link = LinkDevice(channel)
                await link.hello()
                assert await link.report([check_in(seq)]) == seq
        ana = str(tmp_path / "ana.pem")
        await run_command("user", "add", "ana", "--role", "auditor", "--out", ana, *as_me)
        as_ana = ("--server", server.target, "--credential", ana)
        assert "administrator administrator: device approved (desk-1" in await run_command(
            "audit", "show", *as_ana
        )
        with pytest.raises(AssertionError, match="not for the role auditor"):
            await run_command("devices", "revoke", "desk-1", *as_ana)
        await run_command("devices", "revoke", "desk-1", *as_me)
        async with shown(server.target, authority, device.held()) as channel:
            assert "revoked" in (await LinkDevice(channel).ending()).message
    assert "entries hold" in await run_command("audit", "verify", "--store", str(store))


@pytest.mark.parametrize("name", ["authority.key", "server.pem"])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, name: str) -> None:
    Authority.create(tmp_path / "identity")
    (tmp_path / "identity" / name).chmod(0o644)
    with pytest.raises(AuthorityError, match=f"others can read .*{name}: chmod 600"):
        Authority.load(tmp_path / "identity")


def test_init_gives_nobody_a_second_administrator(tmp_path: Path) -> None:
    words = ["init", f"--store={tmp_path / 's.db'}", f"--identity={tmp_path / 'identity'}"]
    first = CliRunner().invoke(main, words)
    assert first.exit_code == 0
    assert "Your credential, as administrator: " in first.output
    again = CliRunner().invoke(main, [*words, "--administrator", "other"])
    assert again.exit_code == 1
    assert "has an administrator" in again.output
    assert not (tmp_path / "identity" / "other.pem").exists()
