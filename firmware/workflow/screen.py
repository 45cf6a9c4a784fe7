"""What is on the screen, as a value: the workflows make it, the page draws it and knows nothing of the work.

One rule serves touch, keyboard and the four buttons alike: a screen offers choices in an order, the first is
highlighted; AGAIN highlights the next, OK takes the highlighted one, HELP leads to a person from every
screen, LANGUAGE goes to the next language. Where a person's own answer is asked nothing is highlighted until
AGAIN did, so that no answer is the easy one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from enum import Enum, unique
from typing import TypeAlias

from firmware.workflow.terms import Role
from inference.operating_point import Strength
from trust.lists.terms import Ration as Ration


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence to be translated: the English one is its key (gettext), with named values for its {braces}.

    Made by `say`, `say_many` or `in_context`, which Babel looks for. Numbers, times and dates are written as
    the language writes them, a Text among the values is translated too, and several values become a list.
    plural, number: the English plural, and what it counts, for a sentence with a number in it.
    context: tells two uses of one English word apart for those who translate it.
    """

    message: str
    values: tuple[tuple[str, Value], ...] = ()
    plural: str = ""
    number: int = 0
    context: str = ""


Value: TypeAlias = str | int | date | time | Text | tuple[str | Text, ...]


def say(message: str, **values: Value) -> Text:
    """Mark and return a sentence for the screen."""
    return Text(message, tuple(sorted(values.items())))


def say_many(one: str, many: str, number: int, **values: Value) -> Text:
    """Mark and return a sentence that counts: {number} is the count; languages have up to six forms of it."""
    return Text(one, tuple(sorted({"number": number, **values}.items())), plural=many, number=number)


def in_context(context: str, message: str, **values: Value) -> Text:
    """Mark and return a sentence whose English could mean two things."""
    return Text(message, tuple(sorted(values.items())), context=context)


@unique
class Tone(Enum):
    """The colour of a screen; shape and sound always say the same. FAULT is for devices, never for people."""

    CALM = "calm"
    WORKING = "working"
    GOOD = "good"
    AGAIN = "again"
    PERSON = "person"
    FAULT = "fault"


@unique
class Entry(Enum):
    """What a screen asks staff to enter, besides its choices."""

    CARD = "card"  # scanned by the camera, or its number typed
    NUMBER = "number"  # a card or case number that is new
    PIN = "pin"
    COUNTERSIGN = "countersign"  # name and PIN of a second person


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be chosen. act: what comes back to the workflow, as `Acted`."""

    act: str
    label: Text
    pictogram: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A candidate, for staff alone; act: what choosing it sends."""

    act: str
    subject: str
    strength: Strength


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen.

    name: of the state that it belongs to, which also names its recording and its picture in the docs.
    pictogram: its shape (`sensors.board.signals.Presentation.pictogram`, and more of the page's own).
    lines: further sentences, small. preview: "face" or "finger" where people are guided. candidates: at most
    three, never on the bystanders' screen. public: all that bystanders see, the token's number or nothing.
    notice: version of the notice whose words are shown and played, in the screen's language.
    ends_in_s: until the screen gives up by itself. busy: the appliance works, nothing can be chosen but HELP.
    own_answer: what is chosen is the person's own answer, so that nothing is highlighted at first.
    signer: whose name and PIN are entered: a supervisor's, or those of anybody on the staff (OPERATOR).
    """

    name: str
    tone: Tone
    pictogram: str
    title: Text
    lines: tuple[Text, ...] = ()
    choices: tuple[Choice, ...] = ()
    entry: Entry | None = None
    candidates: tuple[Shown, ...] = ()
    preview: str = ""
    household_size: int | None = None
    rations: tuple[Ration, ...] = ()
    tries_left: int | None = None
    wait_s: float | None = None
    ends_in_s: float | None = None
    public: str = ""
    notice: str = ""
    busy: bool = False
    own_answer: bool = False
    signer: Role | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """Somebody chose or entered something; value: what was entered, never kept longer than the step."""

    act: str
    value: str = ""
    operator: str = ""

    def __repr__(self) -> str:
        return f"Acted({self.act!r})"
