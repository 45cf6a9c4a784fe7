"""What is said at each step of the first boot, and of each trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware.first_boot.terms import Step, Trouble
from firmware.workflow.screen import Choice, Text, Tone, say

NO_NETWORK = say("There is no network")
_ASK_FOR_CODE = say("Ask the fleet manager for a new claim code, then show it to the camera.")
_AGAIN = Choice("again", say("Try again now"), "retry")
WIFI = Choice("wifi", say("Enter a Wi-Fi network"), "network")
_GO_ON = Choice("go on", say("Go on without this part"), "next")


@dataclass(frozen=True, slots=True)
class Words:
    """What is said, before what the situation adds. says: that the detail comes last."""

    tone: Tone
    pictogram: str
    title: Text
    lines: tuple[Text, ...]
    choices: tuple[Choice, ...] = ()
    says: bool = False


NOW: Mapping[Step, Words] = {
    Step.CLAIM: Words(
        Tone.CALM,
        "scan",
        say("Show this appliance its claim code"),
        (
            say("Hold the printed code 15 to 25 cm before the camera."),
            say("Or switch off, copy the claim file onto the card, and switch on again."),
        ),
    ),
    Step.AGGREGATOR: Words(Tone.WORKING, "network", say("Looking for the aggregator"), ()),
    Step.APPROVAL: Words(
        Tone.CALM,
        "key",
        say("Read these letters and digits to the fleet manager"),
        (
            say("The fleet manager compares them with those that are shown there, and approves."),
            say("It goes on by itself."),
        ),
    ),
    Step.SUPERVISOR: Words(
        Tone.CALM,
        "staff",
        say("Who answers for this appliance?"),
        (say("This person signs in first, and lets the others in. Remember the PIN."),),
    ),
    Step.SETTINGS: Words(
        Tone.WORKING,
        "hourglass",
        say("Taking up the settings of the site"),
        (say("This can take some minutes."),),
    ),
    Step.SELF_TEST: Words(
        Tone.WORKING,
        "hourglass",
        say("Testing all parts"),
        (say("Please do not touch the fingerprint reader."),),
    ),
}
TROUBLES: Mapping[Trouble, Words] = {
    Trouble.FILE_UNREADABLE: Words(
        Tone.AGAIN,
        "scan",
        say("The claim file on the card cannot be used"),
        (say("Correct it on a computer, or show the printed code to the camera."),),
        says=True,
    ),
    Trouble.CODE_UNREADABLE: Words(
        Tone.AGAIN,
        "scan",
        say("This code could not be read"),
        (say("Hold it flat and in good light, nearer or farther. Or use the claim file instead."),),
        says=True,
    ),
    Trouble.CODE_FOREIGN: Words(
        Tone.AGAIN,
        "scan",
        say("This is no claim code"),
        (say("Show the one from the sheet of claim codes."),),
    ),
    Trouble.CLAIM_UNKNOWN: Words(
        Tone.PERSON, "card", say("The aggregator does not know this claim code"), (_ASK_FOR_CODE,)
    ),
    Trouble.CLAIM_OF_OTHER_SITE: Words(
        Tone.PERSON, "card", say("This claim code is for another site"), (_ASK_FOR_CODE,)
    ),
    Trouble.CLAIM_USED: Words(
        Tone.PERSON, "card", say("Another appliance used this claim code"), (_ASK_FOR_CODE,)
    ),
    Trouble.CLAIM_EXPIRED: Words(Tone.PERSON, "clock", say("This claim code has expired"), (_ASK_FOR_CODE,)),
    Trouble.REFUSED: Words(
        Tone.PERSON, "stop", say("The aggregator refuses this appliance"), (_ASK_FOR_CODE,), says=True
    ),
    Trouble.NO_NETWORK: Words(
        Tone.AGAIN,
        "island",
        NO_NETWORK,
        (say("Plug in a network cable, or hold the Wi-Fi code of a phone or router before the camera."),),
        (WIFI, _AGAIN),
    ),
    Trouble.NO_ANSWER: Words(
        Tone.AGAIN,
        "island",
        say("The aggregator does not answer"),
        (say("Does this network lead to the internet? If not, show the Wi-Fi code of another one."),),
        (WIFI, _AGAIN),
    ),
    Trouble.OTHER_AGGREGATOR: Words(
        Tone.PERSON,
        "stop",
        say("Something else answers in place of the aggregator"),
        (say("Nothing was sent to it. Use another network, or ask the fleet manager about the address."),),
        (WIFI, _AGAIN),
    ),
    Trouble.NO_KEYS: Words(
        Tone.FAULT,
        "wrench",
        say("The keys of this appliance cannot be made"),
        (say("Ask the fleet manager for a claim with other keys, or have the board repaired."),),
        (_AGAIN,),
        says=True,
    ),
    Trouble.NOT_WRITTEN: Words(
        Tone.FAULT,
        "wrench",
        say("The settings cannot be written"),
        (say("Ask the fleet manager for a new claim. If it stays so, use another card."),),
        (_AGAIN,),
        says=True,
    ),
    Trouble.NOT_STARTED: Words(
        Tone.FAULT,
        "wrench",
        say("This appliance does not start"),
        (say("It is tried again by itself. If it stays so, show this to the fleet manager."),),
        (_AGAIN,),
        says=True,
    ),
    Trouble.PARTS: Words(
        Tone.FAULT,
        "wrench",
        say("A part does not work as it should"),
        (say("Check its cable, and clean the reader. It is tried again by itself."),),
        (_AGAIN, _GO_ON),
    ),
    Trouble.NAMES_NOBODY: Words(
        Tone.AGAIN,
        "staff",
        say("This claim names no supervisor of this appliance"),
        (say("The fleet manager makes one for this appliance with a supervisor's name and PIN."),),
    ),
    Trouble.PIN: Words(
        Tone.AGAIN,
        "staff",
        say("This name or PIN cannot be used"),
        (say("A name has letters and digits without spaces, a PIN at least 6 digits that are no row."),),
    ),
}


JOINS = Words(Tone.WORKING, "network", say("Joining the Wi-Fi network"), (say("It takes a minute."),))
