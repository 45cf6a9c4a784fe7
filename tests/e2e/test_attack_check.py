"""A print before the camera of an appliance: no template, no accusation, another try, then a person."""

from __future__ import annotations

from pathlib import Path

from firmware.demo.scenario import Face, Person
from firmware.records import Outcome
from inference.face.attack import HELD_BACK_FROM
from inference.types import Modality
from sensors.board.signals import Signal
from sensors.frames import Pixels, RetryReason
from tests.kit.line import line
from tests.kit.real_people import RealPeople
from tests.kit.simulated_attacks import print_frame

FACE_ONLY = (Modality.FACE,)


class WithPrint(RealPeople):
    """As real people, but from when on `holds_print` is set each holds a print before the camera."""

    holds_print = False

    def face(self, person: Person, how: Face, take: int) -> Pixels:
        photo = super().face(person, how, take)
        return print_frame(photo, take) if self.holds_print else photo


async def test_a_print_gives_no_template_and_leads_to_a_person_with_the_score_alone_on_record(
    tmp_path: Path, shared_data: Path
) -> None:
    actors = WithPrint(shared_data)
    owner = actors.people[0]
    async with line(tmp_path, actors) as desk:
        await desk.register(owner)
        served = await desk.verify(owner, order=FACE_ONLY)
        actors.holds_print = True
        desk.shown.clear()
        held = await desk.verify(owner, order=FACE_ONLY)

    assert served.record.outcome is Outcome.MATCH
    assert served.record.attack_score is not None
    assert served.record.attack_score < HELD_BACK_FROM

    assert held.record.outcome is Outcome.RETRY
    assert held.record.modalities == ()
    assert held.record.score_llr is None, "nothing was compared"
    assert held.record.attack_score is not None
    assert held.record.attack_score >= HELD_BACK_FROM
    assert held.record.reason == RetryReason.FACE_CAMERA.value
    again = [effect.reason for effect in desk.shown if effect.signal is Signal.TRY_AGAIN]
    assert again == [RetryReason.FACE_CAMERA, RetryReason.FACE_CAMERA]
    assert desk.shown[-1].signal is Signal.GO_TO_A_PERSON
    assert desk.shown[-1].tries_left == 4, "it counts as a failed attempt of the claim"
