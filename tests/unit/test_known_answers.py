"""The self-test's known answers: right with the models that ship, wrong with ones that compute nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware.config import Camera, Config, Device, Fingerprint, Keys
from firmware.known_answers.judging import answers_rightly
from firmware.protection import TemplateProtection
from firmware.recognition import Recognition, build_recognition
from inference.types import FaceTemplate, FingerTemplate
from sensors.frames import ColourFrame, Retry, RetryReason
from tests.kit.store_values import DEVICE, SITE
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey


@pytest.fixture(scope="module")
def recognition(tmp_path_factory: pytest.TempPathFactory) -> Recognition:
    folder = tmp_path_factory.mktemp("appliance")
    config = Config(
        device=Device(id=DEVICE, site=SITE, purpose=Purpose.CLINIC_CHECK_IN, data=folder),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay"),
        fingerprint=Fingerprint(model="R503", port="/dev/null"),
    )
    return build_recognition(config, TemplateProtection(SecretKey(32)))


def test_the_models_that_ship_give_the_known_answers(recognition: Recognition) -> None:
    assert answers_rightly(recognition, "R503")


class Everybody:
    """A matcher for which all are alike, or nobody is."""

    def __init__(self, alike: bool) -> None:
        self._alike = alike

    def same_face(self, _first: FaceTemplate, _second: FaceTemplate) -> bool:
        return self._alike

    def same_finger(self, _first: FingerTemplate, _second: FingerTemplate) -> bool:
        return self._alike


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("without", ["face", "finger"])
def test_recognition_for_which_all_are_alike_or_nobody_is_fails(
    recognition: Recognition, alike: bool, without: str
) -> None:
    wrong = replace(recognition, matcher=Everybody(alike), **{without: None})  # type: ignore[arg-type]
    assert not answers_rightly(wrong, "R503")


class Blind:
    def assess(self, _frame: ColourFrame) -> Retry:
        return Retry(RetryReason.NO_FACE)


def test_a_network_that_sees_nothing_fails(recognition: Recognition) -> None:
    assert not answers_rightly(replace(recognition, face=Blind()), "R503")  # type: ignore[arg-type]
