"""The page's own sentences, beside those that a screen brings."""

from __future__ import annotations

import math
from collections.abc import Mapping

from firmware.workflow.guidance import ONCE_MORE
from firmware.workflow.screen import Entry, Screen, Text, in_context, say, say_many
from firmware.workflow.terms import Role
from inference.operating_point import Strength

SIGN_IN = say("Sign in")
SIGN_OUT = say("Lock the screen")
SIGN_IN_TITLE = say("Staff sign in here")
YOUR_NAME = say("Your name")
YOUR_PIN = say("Your PIN")
OPEN_ANEW = say("This page was open for too long. Please try again.")

OK = in_context("button", "OK")
AGAIN = in_context("button", "Next")
HELP = in_context("button", "Help")
LANGUAGE = in_context("button", "Language")
ENTER = in_context("button", "Enter")
DELETE = say("Delete the last sign")
THEME = say("Day, night or sunlight colours")
LISTEN = say("Listen once more")
SECONDS = say("seconds")

ENTRIES: Mapping[Entry, Text] = {
    Entry.CARD: say("Card number"),
    Entry.NUMBER: say("New number"),
    Entry.PIN: YOUR_PIN,
}
ADVICE = ONCE_MORE

UPLINK = say("The aggregator is connected")
NO_UPLINK = say("The aggregator is not connected; records wait here")

MOVED_ON = say("This screen has moved on. Nothing was done. Please look again.")
TAKE_OVER = say("Take over")
DAY = say("The day")
OPEN_DAY = say("Open the day")
CLOSE_DAY = say("Close the day")
REPORT = say("Report")
BACK = say("Back")
FIRST_FINISH = say("A person is being served here. Please finish first.")
SUPERVISOR_CLOSES = say("A supervisor closes the day and takes the report.")
NOT_WRITTEN = say("The appliance could not write this down. Please try again.")
TABLETS = say("Tablets see this certificate")
LOST = say("The appliance does not answer. What you see is old. Please wait.")
STRENGTHS: Mapping[Strength, Text] = {
    Strength.STRONG: in_context("likeness", "strong"),
    Strength.FAIR: in_context("likeness", "fair"),
    Strength.WEAK: in_context("likeness", "weak"),
}


def name_of_signer(signer: Role | None) -> Text:
    """Whose name is entered where somebody countersigns."""
    return say("Name of the supervisor") if signer is Role.SUPERVISOR else say("Name of the second person")


def label(screen: Screen) -> Text:
    """What is entered on the screen."""
    if screen.entry is Entry.COUNTERSIGN:
        supervisor = screen.signer is Role.SUPERVISOR
        return say("PIN of the supervisor") if supervisor else say("PIN of the second person")
    return YOUR_PIN if screen.entry is None else ENTRIES[screen.entry]


def wrong_pin(tries_left: int) -> Text:
    """Name and PIN do not go together."""
    return say_many(
        "Name and PIN do not go together. {number} try is left.",
        "Name and PIN do not go together. {number} tries are left.",
        tries_left,
    )


def wait_for_pin(wait_s: float) -> Text:
    """The PIN was wrong too often."""
    seconds = math.ceil(wait_s)
    return say_many(
        "Please wait {number} second, then try again.",
        "Please wait {number} seconds, then try again.",
        seconds,
    )


def held_by(name: str) -> Text:
    """Another member of staff serves the person who is here."""
    return say("{name} serves the person who is here. Nothing was done.", name=name)


def waiting(records: int) -> Text:
    """How many records are not sent yet."""
    return say_many("{number} record waits to be sent", "{number} records wait to be sent", records)


def tries_left(tries: int) -> Text:
    """How often it may be tried again."""
    return say_many("{number} try left", "{number} tries left", tries)


def household(size: int) -> Text:
    """How many people a household has."""
    return say_many("{number} person in the household", "{number} people in the household", size)
