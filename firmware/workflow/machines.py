"""The three machines, for whoever runs them: where each begins, how it goes on, what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from firmware.workflow import clinic, distribution, registration
from firmware.workflow.effects import Effect
from firmware.workflow.events import Event
from firmware.workflow.frame import WaitingForPerson
from firmware.workflow.screen import Screen
from trust.service import Workflow


class Step(Protocol):
    """Returns the next state and what to do."""

    def __call__(self, state: Any, event: Event, /) -> tuple[Any, tuple[Effect, ...]]:
        """A state of another machine is never handed in: the state came from this one."""


class Draw(Protocol):
    """Returns what is shown in a state."""

    def __call__(self, state: Any, /) -> Screen:
        """As for `Step`."""


class Machine(NamedTuple):
    """One workflow."""

    workflow: Workflow
    first: WaitingForPerson
    step: Step
    screen: Draw


MACHINES: Mapping[Workflow, Machine] = MappingProxyType(
    {
        Workflow.REGISTRATION: Machine(
            Workflow.REGISTRATION, registration.FIRST, registration.step, registration.screen
        ),
        Workflow.CLINIC: Machine(Workflow.CLINIC, clinic.FIRST, clinic.step, clinic.screen),
        Workflow.DISTRIBUTION: Machine(
            Workflow.DISTRIBUTION, distribution.FIRST, distribution.step, distribution.screen
        ),
    }
)
