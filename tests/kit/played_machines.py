"""The workflows' pure machines, played by the names of what happens."""

from __future__ import annotations

from typing import Any

from firmware.workflow.diagram import EVENTS
from firmware.workflow.effects import Conclude, Effect
from firmware.workflow.events import AnswerStored, Event
from firmware.workflow.machines import MACHINES, Machine
from firmware.workflow.screen import Acted
from trust.consent import Consent
from trust.service import Workflow

NAMED: dict[str, Event] = dict(EVENTS)
HELP = "help"
ACCEPTED = AnswerStored(Consent.ACCEPTED)
DECLINED = AnswerStored(Consent.DECLINED)


def play(machine: Machine, *happens: Event | str) -> tuple[Any, list[Effect]]:
    """Let things happen in turn: an event, the name of one (`diagram.EVENTS`), or something chosen."""
    state: Any = machine.first
    done: list[Effect] = []
    for each in happens:
        event = NAMED.get(each, Acted(each, "C-0001", "amina")) if isinstance(each, str) else each
        state, effects = machine.step(state, event)
        done += effects
    return state, done


def at_registration(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.REGISTRATION], *happens)


def at_clinic(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.CLINIC], *happens)


def at_camp(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.DISTRIBUTION], *happens)


def concluded(effects: list[Effect]) -> Conclude:
    [conclude] = [effect for effect in effects if isinstance(effect, Conclude)]
    return conclude


def name(state: Any) -> str:
    return type(state).__name__
