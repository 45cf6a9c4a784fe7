"""The commands of the dashboard's accounts, on a store's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregator.cli import main
from aggregator.store import administration
from aggregator.store.database import open_reader, open_writer

LONG = "four lorries in the rain\n"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with open_writer(path, None):
        return path


def run(store: Path, *arguments: str, typed: str = LONG) -> Result:
    words = ["accounts", *arguments, "--store", str(store)]
    return CliRunner().invoke(main, words, input=typed)


def test_an_account_is_made_changed_and_disabled_and_all_of_it_is_in_the_audit_log(store: Path) -> None:
    given = ("--password-file", "-")
    assert run(store, "add", "amina", "--role", "viewer", *given).exit_code == 0
    assert run(store, "role", "amina", "--role", "operator").exit_code == 0
    assert run(store, "password", "amina", *given).exit_code == 0
    assert run(store, "disable", "amina").exit_code == 0
    listed = run(store, "list").output
    assert [line.split()[:2] for line in listed.splitlines() if "amina" in line] == [["amina", "operator"]]
    assert "disabled" in listed
    assert run(store, "enable", "amina").exit_code == 0
    with open_reader(store) as db:
        acts = [(each.actor, each.act, each.subject) for each in administration.read(db, 1, 10)]
    assert acts == [
        ("console", "account added as viewer", "amina"),
        ("console", "account made operator", "amina"),
        ("console", "password set", "amina"),
        ("console", "account disabled", "amina"),
        ("console", "account enabled", "amina"),
    ]


def test_a_second_factor_is_shown_once_and_lets_a_shorter_password_do(store: Path) -> None:
    add = ("add", "amina", "--role", "viewer", "--password-file", "-")
    assert "from 15 to 256 characters" in run(store, *add, typed="nine lemons\n").output
    made = run(store, *add, "--second-factor", typed="nine lemons\n")
    assert "otpauth://totp/Aidpost:amina?secret=" in made.output


@pytest.mark.parametrize(
    ("arguments", "typed", "why"),
    [
        (("disable", "tomas"), "", "no account tomas"),
        (("role", "tomas", "--role", "viewer"), "", "no account tomas"),
        (("password", "tomas", "--password-file", "-"), LONG, "no account tomas"),
        (
            ("add", "tomas", "--role", "viewer", "--password-file", "-"),
            "tomas and his lorry\n",
            "no name of its",
        ),
        (("add", "to mas", "--role", "viewer", "--password-file", "-"), LONG, "1 to 63 of A-Z"),
        (("add", "tomas", "--role", "god", "--password-file", "-"), LONG, "'god' is not one of"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    store: Path, arguments: tuple[str, ...], typed: str, why: str
) -> None:
    answer = run(store, *arguments, typed=typed)
    assert answer.exit_code
    assert why in answer.output


def test_a_name_is_given_once_and_a_store_is_never_made(store: Path, tmp_path: Path) -> None:
    add = ("add", "amina", "--role", "viewer", "--password-file", "-")
    run(store, *add)
    assert "an account amina already" in run(store, *add).output
    assert "there is no store" in run(tmp_path / "other.db", *add).output
