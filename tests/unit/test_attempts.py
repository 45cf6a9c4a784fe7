"""Failed attempts in a row under one claim: five at once, then one every 30 seconds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from firmware.records import Attempts, Moment
from firmware.session.attempts import DELAY_S, Asked, Failed, Matched, Standing, step
from firmware.store.errors import PurposeRefused
from tests.kit.store_values import PURPOSE, SECOND_NS, check_in, moment, open_store, reference
from trust.consent import Purpose


def at(seconds: float, boot: bytes = b"b" * 16) -> Moment:
    return msgspec.structs.replace(moment(), boot_id=boot, monotonic_ns=int(seconds * SECOND_NS))


def failed(times: int, last_s: float = 0.0) -> Attempts:
    attempts = Attempts()
    for _ in range(times):
        attempts, _ = step(attempts, Failed(at(last_s)))
    return attempts


@pytest.mark.parametrize("times", range(5))
def test_up_to_five_tries_need_no_wait_and_those_left_are_known(times: int) -> None:
    assert step(failed(times), Asked(at(0)))[1] == Standing(5 - times, 0.0)


def test_after_the_fifth_failure_and_each_further_one_the_next_try_waits_30_seconds() -> None:
    for times in (5, 6, 9):
        attempts = failed(times, last_s=100)
        assert step(attempts, Asked(at(100)))[1] == Standing(0, DELAY_S)
        assert step(attempts, Asked(at(129.5)))[1] == Standing(0, 0.5)
        assert step(attempts, Asked(at(130)))[1] == Standing(1, 0.0)


def test_asking_is_no_attempt_and_a_match_starts_anew() -> None:
    attempts = failed(5)
    assert step(attempts, Asked(at(3)))[0] == attempts
    assert step(attempts, Matched()) == (Attempts(), Standing(5, 0.0))


def test_after_another_boot_only_its_own_time_counts_whatever_the_wall_clock_says() -> None:
    attempts = failed(5, last_s=100_000)
    assert step(attempts, Asked(at(10, boot=b"c" * 16)))[1] == Standing(0, 20.0)
    assert step(attempts, Asked(at(40, boot=b"c" * 16)))[1] == Standing(1, 0.0)


def test_attempts_survive_a_restart_and_are_erased_with_the_entries(tmp_path: Path) -> None:
    entry = reference(1)
    store = open_store(tmp_path)
    store.gallery.add(moment(), entry)
    store.commit_check_in(moment(), check_in(1), (entry.subject, failed(3)))
    store.close()
    store = open_store(tmp_path)
    assert store.gallery.attempts(PURPOSE, entry.subject) == failed(3)
    assert store.gallery.attempts(PURPOSE, "another card") == Attempts()
    store.commit_check_in(moment(), check_in(2))
    assert store.gallery.attempts(PURPOSE, entry.subject) == failed(3), (
        "a check-in that was no attempt changes nothing"
    )
    with pytest.raises(PurposeRefused):
        store.gallery.attempts(next(other for other in Purpose if other is not PURPOSE), entry.subject)
    store.gallery.remove(moment(), entry.entry_id)
    assert store.gallery.attempts(PURPOSE, entry.subject) == Attempts()
    store.close()
