"""docs/responsible-use.md answers every line, and every test and command that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from aggregator.cli import main as aggregator
from firmware.cli import main as appliance

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "responsible-use.md").read_text()
LINES = 28
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", TEXT)))
COMMANDS = sorted(set(re.findall(r"`((?:aidpost|aidpost-aggregator) [a-z][a-z -]*)`", TEXT)))


def test_every_line_has_an_answer_and_something_that_shows_it() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, LINES + 1))
    for number, _asked, answer, shown in ROWS:
        assert re.match(r"\*\*(reached|partly|not reached)\*\*", answer), f"line {number} has no plain answer"
        assert "`" in shown, f"line {number} names nothing that shows it"
    # Whatever is not whole says what is missing.
    assert all(len(answer) > len("**partly**: ") + 20 for _, _, answer, _ in ROWS if "partly" in answer)


@pytest.mark.parametrize("named", TESTS)
def test_a_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    source = (ROOT / path).read_text()
    assert not name or re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE)


@pytest.mark.parametrize("named", COMMANDS)
def test_a_command_that_is_named_exists(named: str) -> None:
    program, *words = named.split()
    command: click.Command = aggregator if program == "aidpost-aggregator" else appliance
    for word in words:
        assert isinstance(command, click.Group), named
        found = command.get_command(click.Context(command), word)
        assert found is not None, named
        command = found
    assert not isinstance(command, click.Group), f"{named} is a group: name one of its commands"
