"""The page's own sentences, beside those that a screen brings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

from firmware.day.lines import Outcome
from firmware.store.lists import LoadedList
from firmware.workflow.guidance import CLOCK_UNCHECKED, ONCE_MORE
from firmware.workflow.screen import Entry, Screen, Text, in_context, say, say_many
from firmware.workflow.terms import Role
from inference.operating_point import Strength
from trust.service import Workflow

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
UNCHECKED = CLOCK_UNCHECKED

UPLINK = say("The aggregator is connected")
NO_UPLINK = say("The aggregator is not connected; records wait here")

MOVED_ON = say("This screen has moved on. Nothing was done. Please look again.")
TAKE_OVER = say("Take over")
DAY = say("The day")
OPEN_DAY = say("Open the day")
CLOSE_DAY = say("Close the day")
CLOSE_NOW = say("Close the day now?")
GOES_ON = say("Does this distribution go on tomorrow?")
KEEP_LIST = say("It goes on: keep the list")
END_CYCLE = say("It is over: erase the list for good")
LIST_ERASED = say("The list will be erased.")
OUTCOMES: Mapping[Outcome, Text] = {
    Outcome.OPEN: say("The day is open."),
    Outcome.OPEN_WITH_CARE: say("The day is open; something needs care."),
    Outcome.CLOSED: say("The day is closed."),
    Outcome.CLOSED_BEFORE: say("The day was closed before, and nothing came since: nothing was done."),
}
REPORT = say("Report")
CLOSED_REPORT = say("Report of the closed day")
QUEUE = say("People waiting")
HOW_MANY_WAIT = say("About how many people are waiting now?")
REPORT_STAYS = say("The report stays here until the next day is closed.")
BACK = say("Back")
DETAILS = say("Details")
STAFF = say("Who works here")
ADD_PERSON = say("Let another person sign in")
NAME = say("Name")
ROLE = say("Role")
ROLES: Mapping[str, Text] = {
    "operator": in_context("role", "operator"),
    "supervisor": in_context("role", "supervisor"),
}
NEW_PIN = say("New PIN, at least 6 digits")
PIN_ONCE_MORE = say("The same PIN once more")
PINS_DIFFER = say("The two PINs differ. Please enter them again.")
NOT_STAFF = say("This name or PIN cannot be used")
LAST_SUPERVISOR = say("The last supervisor stays. Let another supervisor sign in first.")
LET_IN = say("Let this person sign in")
SET_PIN = say("Use this PIN from now on")
LET_NO_MORE = say("This person signs in no more")
WAITS_TO_BE_WRITTEN = say(
    "The last session is not written down yet. Make space, or wait a minute. Then try again."
)
FIRST_FINISH = say("A person is being served here. Please finish first.")
SUPERVISOR_CLOSES = say("A supervisor closes the day and takes the report.")
SOFTWARE = say("Software")
SOFTWARE_ON_STICK = say("Software on a memory stick is installed once you confirm it with your PIN.")
SOFTWARE_IS_WRITTEN = say("The software is being written. Leave the memory stick in.")
SOFTWARE_WAITS = say("It is written. The device starts anew with it as soon as nobody is served.")
SOFTWARE_IS_INSTALLED = say(
    "It is installed, but the device did not start anew. Switch it off and on when nobody is served."
)
SOFTWARE_NOT_INSTALLED = say("Nothing was installed.")
INSTALL_SOFTWARE = say("Install")
LOOK_AGAIN = say("Look again")
SUPERVISOR_LOADS = say("A supervisor loads the list.")
LIST = say("The list")
NO_LIST = say("No list is loaded.")
CHOOSE_FILE = say("Choose the file of the list.")
NO_FILES = say("No file of a list is here. Put the memory stick in, then look again.")
LOOK_AGAIN = say("Look again")
OTHER_FILE = say("Choose another file")
CHECK_FILE = say("Check the file")
NO_FILE_CHOSEN = say("No file was chosen.")
ROW = say("Row")
COLUMN = say("Column")
WHAT_TO_DO = say("What to do")
COMPARE = say("Compare with the list on paper")
SECOND_SUPERVISOR = say("A second supervisor compares too, then enters name and PIN.")
SIGNED_LIST = say("An issuer signed this list: nobody else has to sign.")
TWO_SUPERVISORS = say("Two different supervisors answer for a list. Nothing was loaded.")
CHECK_ANEW = say(
    "This is not the list that was checked last. Nothing was loaded. Please check the file again."
)
LOAD_LIST = say("Load the list")
NOT_THIS_LIST = say("Not this list")
DAY_OF_LIST = say("Day")
CYCLE = say("Cycle")
SITE = say("Site")
APPOINTMENTS = say("Appointments")
HOUSEHOLDS = say("Households")
COLLECTORS = say("People who collect")
ALTERNATES = say("People who stand in")
DUE = say("Due to all")
EXCEPTIONS = say("Exceptions, at most")
DESK = say("Help desk")
APPLIANCES = say("Appliances")
LETTERS = say("Letters to compare")
SIGNATURE = say("Signature")
NOT_SIGNED = say("not signed by an issuer")
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


def pin_of_signer(signer: Role | None) -> Text:
    """Whose PIN is entered with it."""
    return say("PIN of the supervisor") if signer is Role.SUPERVISOR else say("PIN of the second person")


def label(screen: Screen) -> Text:
    """What is entered on the screen."""
    if screen.entry is Entry.COUNTERSIGN:
        return pin_of_signer(screen.signer)
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


def now_loaded(present: LoadedList) -> Text:
    """Which list is loaded."""
    return say_many(
        "Loaded now: {cycle}, with {number} entry",
        "Loaded now: {cycle}, with {number} entries",
        present.entries,
        cycle=present.first_day if present.workflow is Workflow.CLINIC else present.cycle,
    )


def list_loaded(entries: int) -> Text:
    """A list was taken up."""
    return say_many("The list is loaded: {number} entry.", "The list is loaded: {number} entries.", entries)


def to_correct(faults: int) -> Text:
    """A file cannot be loaded as it is."""
    return say_many(
        "Nothing was loaded. {number} thing has to be corrected.",
        "Nothing was loaded. {number} things have to be corrected.",
        faults,
    )


def more_faults(faults: int) -> Text:
    """So many are not shown."""
    return say_many("and {number} more", "and {number} more", faults)


def days(first: date, last: date) -> Text:
    """From when to when a list holds."""
    if first == last:
        return Text("{day}", (("day", first),))  # no sentence to translate: a date as the language writes it
    return say("{first} to {last}", first=first, last=last)


def signed_with(key: str) -> Text:
    """Which issuer signed a list."""
    return say("signed with the key {key}", key=key)
