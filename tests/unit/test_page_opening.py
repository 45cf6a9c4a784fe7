"""The page's port and files, and the policy: what `run` refuses in a sentence, `doctor` sees before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware import policy
from firmware.cli import main
from firmware.commands.doctor_page import examine_page, examine_policy
from firmware.config import Config
from firmware.config_file import load
from firmware.store.lock import ProcessLock
from firmware.store.store import lock_of
from tests.unit.test_policy import POLICY
from trust.issuer import IssuerKey

FACES = Path(__file__).parents[2] / "firmware" / "demo" / "assets" / "faces"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def configured(folder: Path, page: str, more: str = "") -> Path:
    path = folder / "aidpost.toml"
    path.write_text(
        '[device]\nid = "kit-1"\nsite = "site-1"\npurpose = "clinic check-in"\ndata = "state"\n'
        f'[keys]\nguard = "file"\n[camera]\ndriver = "replay"\ndevice = "{FACES}"\n[page]\n{page}\n{more}'
    )
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return path


def found(config: Config) -> dict[str, tuple[bool | None, str]]:
    return {each.part: (each.well, f"{each.found} {each.advice}".strip()) for each in examine_page(config)}


def test_a_port_that_is_taken_is_a_sentence_of_run_and_of_doctor(tmp_path: Path, taken: int) -> None:
    path = configured(tmp_path, f'touch = "127.0.0.1:{taken}"')
    answer = CliRunner().invoke(main, ["run", f"--config={path}"])
    assert (answer.exit_code, isinstance(answer.exception, SystemExit)) == (1, True), answer.exception
    assert "stop the program that uses the port, or name another under [page]" in answer.output
    well, said = found(load(path))["page touch"]
    assert (well, "Address already in use" in said) == (False, True)
    running = ProcessLock(lock_of(tmp_path / "state" / "aidpost.db"))
    assert found(load(path))["page touch"][0] is True, "the appliance itself has the port"
    running.release()


def test_a_touch_page_on_the_network_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    path = configured(tmp_path, 'touch = "0.0.0.0:8080"')
    answer = CliRunner().invoke(main, ["run", f"--config={path}"])
    assert answer.exit_code == 1
    assert "can be reached from the network without TLS" in answer.output
    assert not any((tmp_path / "state").iterdir())


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ('notices = "none"', "there is no notice of version"),
        ('certificate = "a.pem"\nkey = "b.pem"', "both are PEM files"),
        ('recordings = "none"', "no recordings in"),
        ('lists = "none"', "make it, or name another"),
    ],
)
def test_doctor_reads_the_files_of_the_page(tmp_path: Path, page: str, sentence: str) -> None:
    touch = 'touch = "127.0.0.1:0"\n'
    assert found(load(configured(tmp_path, touch)))["page files"] == (True, "notices in en")
    well, said = found(load(configured(tmp_path, touch + page)))["page files"]
    assert (well, sentence in said) == (False, True), said


def test_doctor_reads_the_policy_before_there_is_a_store(tmp_path: Path) -> None:
    issuer = IssuerKey.new()
    more = f'[retention]\npolicy = "p.toml"\n[issuer]\nkeys = ["{issuer.public.hex()}"]\n'
    config = load(configured(tmp_path, "", more))
    assert (examine_policy(config).well, "p.toml" in examine_policy(config).advice) == (False, True)
    (tmp_path / "p.toml").write_text(POLICY)
    assert "is not signed" in examine_policy(config).advice
    policy.sign(tmp_path / "p.toml", issuer)
    assert (examine_policy(config).well, "kept 90 days" in examine_policy(config).found) == (True, True)
