"""The count of instructions of one decision stays within its band, and what cannot be compared is said."""

from __future__ import annotations

import os

import msgspec
import pytest

from tests.bench.instructions import BAND, Counts, NotComparable, count, differences, stored_counts


def test_decisions_take_as_many_instructions_as_were_accepted() -> None:
    try:
        apart = differences(count(), stored_counts())
    except NotComparable as reason:
        if os.environ.get("CI") and "valgrind" in str(reason):
            pytest.fail(str(reason))
        pytest.skip(str(reason))
    assert max(abs(difference) for difference in apart.values()) <= BAND, (
        f"{apart}; if that is meant: make instructions ARGS=--accept"
    )


def test_counts_of_another_python_or_machine_are_not_compared() -> None:
    stored = Counts("x86_64", "3.11", "3.19.0", {"face": 100})
    assert differences(msgspec.structs.replace(stored, instructions={"face": 89}), stored) == {
        "face": pytest.approx(-0.11)
    }
    for other in (
        msgspec.structs.replace(stored, python="3.13"),
        msgspec.structs.replace(stored, machine="aarch64"),
    ):
        with pytest.raises(NotComparable, match="stored counts are of Python"):
            differences(other, stored)
