"""The commands about lists: write, check, sign, import and show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

from aggregator.cli import main as aggregator
from firmware.cli import main as aidpost
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from firmware.store.lock import ProcessLock
from firmware.store.store import lock_of
from trust.consent import Purpose
from trust.issuer import IssuerKey
from trust.lists.envelope import sign


def test_the_commands_write_check_and_sign(tmp_path: Path) -> None:
    runner = CliRunner()
    path, signed, key = tmp_path / "cycle.csv", tmp_path / "cycle.aidpost-list", tmp_path / "issuer.pem"
    IssuerKey.create(key)
    assert runner.invoke(aidpost, ["list", "template", "distribution", "--out", str(path)]).exit_code == 0
    checked = runner.invoke(aidpost, ["list", "check", str(path)])
    assert checked.exit_code == 0, checked.output
    assert "3 households, 6 collectors, 3 alternates" in checked.output
    assert "Due: rice 70 kg; oil 7 l; soap 12 piece" in checked.output
    made = runner.invoke(aggregator, ["list", "sign", str(path), "--key", str(key)])
    assert made.exit_code == 0, made.output
    assert signed.read_bytes().startswith(b"AIDPOST LIST 1\n")
    checked = runner.invoke(aidpost, ["list", "check", str(signed)])
    assert f"Signed with the key {IssuerKey.load(key).public.hex()}" in checked.output
    path.write_bytes(path.read_bytes().replace(b"H-0002", b"H-0001"))
    refused = runner.invoke(aidpost, ["list", "check", str(path)])
    assert refused.exit_code == 1
    assert "cycle.csv, row 14, column 1: this household stands in row 13 too" in refused.output
    refused = runner.invoke(aggregator, ["list", "sign", str(path), "--key", str(key)])
    assert refused.exit_code == 1
    assert "nothing was signed" in refused.output


PINS = {"tomas": "730264", "leila": "308157", "amina": "482915"}


class Appliance:
    """The commands of one appliance with two supervisors, tomas and leila, and the operator amina."""

    def __init__(self, folder: Path, purpose: Purpose, issuer: IssuerKey) -> None:
        self._config = folder / "aidpost.toml"
        self._config.write_text(
            f'[device]\nid = "desk-1"\nsite = "site-1"\npurpose = "{purpose.value}"\ndata = "{folder}"\n'
            '[keys]\nguard = "file"\n[camera]\ndriver = "replay"\n'
            f'[issuer]\nkeys = ["{issuer.public.hex()}"]\n[page]\n'
        )
        self.run("staff", "add", "tomas", "--role=supervisor", typed=[PINS["tomas"]] * 2)
        for name, role in (("leila", "supervisor"), ("amina", "operator")):
            typed = ["tomas", PINS["tomas"], PINS[name], PINS[name]]
            self.run("staff", "add", name, f"--role={role}", typed=typed)

    def run(self, *words: str, typed: Sequence[str] = (), status: int = 0) -> str:
        typed_lines = "".join(f"{line}\n" for line in typed)
        result = CliRunner().invoke(aidpost, [*words, "--config", str(self._config)], input=typed_lines)
        assert result.exit_code == status, result.output
        return result.output

    def load(self, path: Path, *names: str, status: int = 0) -> str:
        typed = [line for name in names for line in (name, PINS[name])]
        return self.run("list", "import", str(path), typed=typed, status=status)


def test_while_the_appliance_runs_its_page_is_named(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, Purpose.DISTRIBUTION, IssuerKey.new())
    path = tmp_path / "cycle.csv"
    write_template(distribution_rows("site-1", "desk-1", datetime.now().astimezone().date()), path)
    running = ProcessLock(lock_of(tmp_path / "aidpost.db"))
    for said in (appliance.run("list", "show", status=1), appliance.load(path, status=1)):
        assert f"the appliance runs (pid {os.getpid()}), and its page does this" in said
    running.release()
    assert "No list is loaded" in appliance.run("list", "show")


def test_a_cycle_is_loaded_whole_by_two_supervisors_or_not_at_all(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, Purpose.DISTRIBUTION, IssuerKey.new())
    path = tmp_path / "cycle.csv"
    write_template(distribution_rows("site-1", "desk-1", datetime.now().astimezone().date()), path)
    good = path.read_bytes()
    assert "two different supervisors" in appliance.load(path, "tomas", "tomas", status=1)
    assert "no supervisor" in appliance.load(path, "tomas", "amina", status=1)
    path.write_bytes(good[:-9])
    assert "row 15" in appliance.load(path, "tomas", "leila", status=1)
    path.write_bytes(good.replace(b"site,site-1", b"site,site-2"))
    assert 'site "site-2"' in appliance.load(path, "tomas", "leila", status=1)
    assert "No list is loaded" in appliance.run("list", "show")
    path.write_bytes(good)
    assert "Loaded: 3 households" in appliance.load(path, "tomas", "leila")
    shown = appliance.run("list", "show")
    assert "tomas, leila" in shown
    assert "H-0001" not in shown
    path.write_bytes(good.replace(b"cycle-1", b"cycle-2"))
    assert 'cycle "cycle-1" is loaded' in appliance.load(path, "tomas", "leila", status=1)


def test_a_clinics_list_that_an_issuer_signed_needs_nobody_to_answer_for_it(tmp_path: Path) -> None:
    issuer = IssuerKey.new()
    appliance = Appliance(tmp_path, Purpose.CLINIC_CHECK_IN, issuer)
    plain, signed = tmp_path / "day.csv", tmp_path / "day.aidpost-list"
    write_template(clinic_rows("site-1", datetime.now().astimezone().date()), plain)
    assert "First supervisor" in appliance.load(plain, status=1)
    signed.write_bytes(sign(plain.read_bytes(), IssuerKey.new()))
    assert "signer is not known" in appliance.load(signed, status=1)
    signed.write_bytes(sign(plain.read_bytes(), issuer))
    assert "Loaded: 3 appointments" in appliance.load(signed)
    assert "an issuer's signature" in appliance.run("list", "show")
