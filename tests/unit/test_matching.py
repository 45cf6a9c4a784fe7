"""Evidence and policy: when a claim is settled, when more is asked for. Real extractor, synthetic fingers."""

from __future__ import annotations

import pytest

from firmware.config import Config, Device, Fingerprint, Keys
from firmware.recognition import Recognition, build_recognition
from firmware.session.comparison import Comparison
from firmware.session.machine import Weight
from firmware.session.matching import Matcher
from inference.attack import Unchecked
from inference.operating_point import Threshold
from inference.synthesis import Condition, make_finger
from inference.types import Assessed, FingerPosition, FingerTemplate
from sensors.frames import DeviceIdentity, FingerFrame
from trust.consent import Purpose
from trust.keys.guard import GuardKind

RIGHT, LEFT = FingerPosition.RIGHT_INDEX, FingerPosition.LEFT_INDEX
ENTRY, OTHER = b"entry-1".ljust(16), b"entry-2".ljust(16)


@pytest.fixture(scope="module")
def recognition(tmp_path_factory: pytest.TempPathFactory) -> Recognition:
    device = Device(id="x", site="x", purpose=Purpose.DISTRIBUTION, data=tmp_path_factory.getbasetemp())
    fingerprint, keys = Fingerprint(model="R503", port="none"), Keys(guard=GuardKind.FILE)
    return build_recognition(Config(device=device, keys=keys, fingerprint=fingerprint))


@pytest.fixture
def matcher(recognition: Recognition) -> Matcher:
    for entry_id in (ENTRY, OTHER):
        recognition.matcher.remove(entry_id)
    return recognition.matcher


def template(recognition: Recognition, seed: int, take: int, position: FingerPosition) -> FingerTemplate:
    assert recognition.finger is not None
    pixels = make_finger(seed).impression(take, Condition(), (192, 192))
    assessed = recognition.finger.assess(FingerFrame(pixels, 500.0, DeviceIdentity("R503", "x"), 0.0))
    assert isinstance(assessed, Assessed)
    return recognition.finger.template(Unchecked().check(assessed), position)


def test_one_finger_speaks_for_a_claim_and_two_settle_it(recognition: Recognition, matcher: Matcher) -> None:
    matcher.add(ENTRY, [template(recognition, 31, 1, RIGHT), template(recognition, 32, 1, LEFT)])
    comparison = Comparison(matcher, [ENTRY])
    right, left = template(recognition, 31, 2, RIGHT), template(recognition, 32, 2, LEFT)
    first = comparison.weigh([right])
    assert first.weight is Weight.SPEAKS_FOR
    assert isinstance(first.threshold, Threshold)
    assert not first.threshold.supported
    assert comparison.weigh([right, left]).weight is Weight.SUFFICIENT


def test_another_persons_fingers_speak_against_the_claim(recognition: Recognition, matcher: Matcher) -> None:
    matcher.add(ENTRY, [template(recognition, 31, 1, RIGHT)])
    verdict = Comparison(matcher, [ENTRY]).weigh([template(recognition, 40, 1, RIGHT)])
    assert verdict.weight is Weight.SPEAKS_AGAINST
    assert verdict.candidates == ()


def test_a_finger_counts_only_against_the_same_finger_of_an_entry(
    recognition: Recognition, matcher: Matcher
) -> None:
    matcher.add(ENTRY, [template(recognition, 31, 1, RIGHT)])
    verdict = Comparison(matcher, [ENTRY]).weigh([template(recognition, 31, 2, LEFT)])
    assert verdict.best is None


def test_a_claim_with_more_entries_behind_it_needs_a_higher_score(matcher: Matcher) -> None:
    sources = ("finger/R503", "finger/R503")
    one, five = matcher.threshold(sources, claimed=1), matcher.threshold(sources, claimed=5)
    assert isinstance(one, Threshold)
    assert isinstance(five, Threshold)
    assert five.llr > one.llr


def test_a_search_puts_the_right_entry_first_and_forgets_an_erased_one(
    recognition: Recognition, matcher: Matcher
) -> None:
    matcher.add(ENTRY, [template(recognition, 31, 1, RIGHT)])
    matcher.add(OTHER, [template(recognition, 33, 1, RIGHT)])
    probe = template(recognition, 33, 2, RIGHT)
    assert [candidate.entry_id for candidate in Comparison(matcher, None).weigh([probe]).candidates] == [
        OTHER
    ]
    matcher.remove(OTHER)
    assert OTHER not in [c.entry_id for c in Comparison(matcher, None).weigh([probe]).candidates]
