"""What every workflow promises in every state that its pure machine can come to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.cards import terms as cards
from firmware.workflow import choices, frame
from firmware.workflow.diagram import EVENTS, Arrow, page, walk
from firmware.workflow.distribution_states import AskingIfGiven, HandingOver
from firmware.workflow.effects import Conclude, Register, Search, Verify
from firmware.workflow.events import AnswerStored, Ended
from firmware.workflow.frame import Answered, WaitingForPerson
from firmware.workflow.machines import MACHINES, Machine
from firmware.workflow.outcomes import Concluded
from firmware.workflow.plain import plain
from firmware.workflow.screen import Acted, Screen, Tone
from tests.kit.played_machines import HELP, name
from trust.service import Answer, Workflow

DOCS = Path(__file__).parents[2] / "docs" / "workflows"
WALKED: dict[Workflow, list[Arrow]] = {
    workflow: list(walk(machine)) for workflow, machine in MACHINES.items()
}
MACHINE = st.sampled_from(list(MACHINES.values()))


def screens(machine: Machine) -> list[Screen]:
    arrows = WALKED[machine.workflow]
    return [machine.screen(state) for state in dict.fromkeys([machine.first, *(a.after for a in arrows)])]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_from_every_state_help_leads_to_an_answer(machine: Machine) -> None:
    for start in dict.fromkeys(arrow.after for arrow in WALKED[machine.workflow]):
        state, presses = start, 0
        while not isinstance(state, Answered) and presses < 6:
            state, _ = machine.step(state, Acted(HELP))
            if isinstance(state, frame.WritingDown):
                state, _ = machine.step(state, Ended(Concluded(1)))
            presses += 1
        assert isinstance(state, Answered), start


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_nobody_leaves_without_a_record(machine: Machine) -> None:
    """Only a session that could not be written down ends otherwise; the store keeps that one open."""
    for arrow in WALKED[machine.workflow]:
        if isinstance(arrow.after, WaitingForPerson) and not isinstance(arrow.before, WaitingForPerson):
            assert isinstance(
                arrow.before,
                Answered | frame.NotWrittenDown | frame.ChoosingConcern | frame.WritingComplaint,
            )
        if isinstance(arrow.after, Answered) and not isinstance(
            arrow.before, Answered | frame.ChoosingConcern | frame.WritingComplaint
        ):
            assert isinstance(arrow.event, Ended)
        concludes = [effect for effect in arrow.effects if isinstance(effect, Conclude)]
        assert len(concludes) == int(isinstance(arrow.after, frame.WritingDown) and bool(arrow.effects))


def test_collected_only_by_given() -> None:
    for arrow in WALKED[Workflow.DISTRIBUTION]:
        if any(isinstance(e, Conclude) and e.answer is Answer.GIVEN for e in arrow.effects):
            again = isinstance(arrow.before, frame.NotWrittenDown)
            assert again or (isinstance(arrow.before, HandingOver | AskingIfGiven) and arrow.name == "given")


@given(MACHINE, st.data())
def test_nothing_is_captured_before_the_stored_answer_and_no_search_suggests_more_than_three(
    machine: Machine, data: st.DataObject
) -> None:
    state: Any = machine.first
    stored = False
    for _ in range(25):
        offered = [Acted(act, "C-0001", "amina") for act in (*frame.acts(machine.screen(state)), HELP)]
        event = data.draw(st.sampled_from([*offered, *(event for _, event in EVENTS)]))
        if isinstance(state, WaitingForPerson):
            stored = False
        before, (state, effects) = state, machine.step(state, event)
        stored |= isinstance(event, AnswerStored) and name(before) == "StoringAnswer"
        for effect in effects:
            if isinstance(effect, Register) and effect.capture:
                assert stored
            if isinstance(effect, Verify | Search) and machine.workflow is Workflow.CLINIC:
                assert stored
        assert len(machine.screen(state).candidates) <= 3


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_each_screen_offers_a_way_on_and_red_is_for_the_appliance_alone(machine: Machine) -> None:
    for screen in screens(machine):
        assert screen.busy or screen.preview or screen.choices or screen.entry, screen.name
        acts = frame.acts(screen)
        assert len(acts) == len(set(acts)), screen.name
        if screen.tone is Tone.FAULT:
            assert "appliance" in plain(screen.title), screen.name


OWN_ANSWERS = {choices.ACCEPT, choices.DECLINE, choices.WITHOUT, *choices.CONCERNS.values()}


def test_where_a_persons_own_answer_is_asked_none_is_highlighted() -> None:
    for machine in MACHINES.values():
        for screen in screens(machine):
            if OWN_ANSWERS.intersection(screen.choices):
                assert frame.first_highlighted(screen) is None, screen.name


def test_nothing_but_the_token_is_for_bystanders() -> None:
    for machine in MACHINES.values():
        for screen in screens(machine):
            assert not screen.public or screen.name == "answer-visit", screen.name


ACCUSING = re.compile(
    r"\b(fraud|reject\w*|unknown|failed|failure|denied|deny|suspicio\w*|suspect\w*|fake|forged|invalid|illegal|"
    r"refus\w*|wrong person|impostor|cheat\w*|blocked|violation)\b",
    re.IGNORECASE,
)


def test_no_sentence_accuses_anybody() -> None:
    drawn = [screen for machine in MACHINES.values() for screen in screens(machine)]
    said = {plain(text) for screen in drawn for text in (screen.title, *screen.lines)}
    said |= {plain(choice.label) for screen in drawn for choice in screen.choices}
    sources = [*Path(cards.__file__).parent.glob("*.py"), *Path(frame.__file__).parent.glob("*.py")]
    sources += Path(frame.__file__).parents[1].joinpath("page").glob("*.py")
    for source in sources:
        said |= set(re.findall(r'\bsay(?:_many)?\(\s*"([^"]+)"', source.read_text(encoding="utf-8")))
    assert len(said) > 100
    assert [sentence for sentence in said if ACCUSING.search(sentence)] == []


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_the_page_in_the_documentation_is_that_of_the_machine(machine: Machine) -> None:
    committed = DOCS / f"{machine.workflow.value}.md"
    assert committed.read_text(encoding="utf-8") == page(machine), (
        "run: python -m firmware.workflow.diagram docs/workflows"
    )
