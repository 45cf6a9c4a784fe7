"""The day from the console: opened on real parts, closed with a receipt, and a report in three forms."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from firmware.cli import main
from firmware.clock import Clock
from firmware.config_file import load
from firmware.opening import open_keys, open_store
from firmware.store.store import Store
from firmware.workflow.terms import Role
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.work_lists import distribution_list, given
from trust.service import Answer, Basis, Concern, Workflow

FACES = Path(__file__).parents[2] / "firmware" / "demo" / "assets" / "faces"


def configured(folder: Path, more: str = "") -> Path:
    config = folder / "aidpost.toml"
    (folder / "data").mkdir(mode=0o700)
    config.write_text(
        f'[device]\nid = "post-1"\nsite = "site-1"\npurpose = "distribution"\ndata = "{folder}/data"\n'
        f'[keys]\nguard = "file"\n[camera]\ndriver = "replay"\ndevice = "{FACES}"\n{more}'
    )
    return config


def test_a_day_is_opened_reported_and_closed(tmp_path: Path) -> None:
    config = configured(tmp_path)
    clock, today = Clock(), datetime.now(UTC).astimezone().date()
    planned = replace(
        distribution_list(households=4, loss_cap=1),
        first_day=today - timedelta(days=1),
        last_day=today + timedelta(days=1),
    )
    with open_keys(load(config)) as guard, closing(open_store(load(config), guard)) as store:
        store.staff.add(clock.now(), "tomas", Role.SUPERVISOR, bytearray(b"730264"))
        store.staff.add(clock.now(), "amina", Role.OPERATOR, bytearray(b"482915"), by="tomas")
        store.lists.load(clock.now(), planned, approved_by=("tomas", "amina"))

    def day(command: str, *options: str, typed: str = "") -> tuple[int, str]:
        answer = CliRunner().invoke(main, ["day", command, f"--config={config}", *options], input=typed)
        return answer.exit_code, answer.output

    assert "say who you are" in day("open")[1]
    assert "tries before a wait: 4" in day("open", "--operator=tomas", typed="730265\n")[1]
    code, said = day("open", "--operator=tomas", typed="730264\n")
    assert (code, "camera: well" in said, "The day is open." in said) == (0, True, True), said
    assert "List: distribution, 2026-11, 4 entries" in said

    with open_keys(load(config)) as guard, closing(open_store(load(config), guard)) as store:
        serve(store, clock)
    for command in ("close", "report"):  # as on the page: an operator opens, a supervisor closes and reads
        assert "say who you are" in day(command)[1]
        code, said = day(command, "--operator=amina", "--out", str(tmp_path / "none"), typed="482915\n")
        assert (code, "amina is no supervisor, who alone does this; nothing was done" in said) == (1, True)
        assert "Planned" not in said
    assert list((tmp_path / "none").iterdir()) == []
    code, said = day("close", "--operator=tomas", "--goes-on", f"--out={tmp_path / 'one'}", typed="730264\n")
    assert (code, "Left of the loss cap: 0" in said) == (0, True), said
    assert "The list stays until the last day of the cycle." in said
    code, said = day(
        "close", "--operator=tomas", "--ends-cycle", f"--out={tmp_path / 'two'}", typed="730264\n"
    )
    assert (code, "List erased: 4 entries, receipt " in said) == (0, True), said
    found = json.loads((tmp_path / "two" / "report.json").read_bytes())
    assert (found["known"]["planned"], found["served"], found["absent"]) == (4, 2, 2)
    assert found["known"]["stock"] == [
        {"item": "oil", "unit": "l", "due": "8", "issued": "4"},
        {"item": "rice", "unit": "kg", "due": "50.0", "issued": "25.0"},
    ]
    assert found["overrides"] == [
        {
            "operator": "amina",
            "supervisor": "tomas",
            "countersigned_by": "",
            "reason": "worn or injured fingers",
            "count": 1,
        }
    ]
    for options in ((), ("--last",)):
        said = day("report", *options, "--operator=tomas", typed="730264\n")[1]
        assert "Planned (households): 4" in said, "the report outlives the list"
    code, said = day("close", "--operator=tomas", typed="730264\n")
    assert (code, "nothing was done" in said) == (0, True), said


async def test_at_the_close_all_of_the_day_reaches_the_aggregator_once(tmp_path: Path) -> None:
    async with running_aggregator(tmp_path / "results.db") as server:
        uplink = f'[uplink]\ntarget = "{server.target}"\ninsecure_loopback = true\n'
        config, clock = configured(tmp_path, uplink), Clock()
        with open_keys(load(config)) as guard, closing(open_store(load(config), guard)) as store:
            store.lists.load(clock.now(), distribution_list(loss_cap=1), approved_by=("tomas", "amina"))
            serve(store, clock)
            store.work.commit_complaint(clock.now(), Workflow.DISTRIBUTION, Concern.WAIT)
        options = ["day", "close", f"--config={config}", "--ends-cycle", f"--out={tmp_path / 'out'}"]
        answer = await asyncio.to_thread(CliRunner().invoke, main, options)
        assert (answer.exit_code, "wait for the aggregator" in answer.output) == (0, False), answer.output
        held = [event.kind for event in server.events()]
    assert held == ["list_loaded", *["service"] * 3, "complaint", "day_closed", "list_erased"]


def serve(store: Store, clock: Clock) -> None:
    store.work.conclude(clock.now(), given("hh-0001", 1, basis=Basis.CARD, declined=True))
    store.work.conclude(clock.now(), given("hh-0002", 2, basis=Basis.EXCEPTION))
    store.work.conclude(clock.now(), given("hh-0001", 3, answer=Answer.ALREADY_COLLECTED))
