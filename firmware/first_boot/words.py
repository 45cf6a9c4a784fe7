"""What the first boot says on its page, and by lamp and buzzer: each step, and what to do now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import assert_never

from firmware.first_boot.sentences import JOINS, NOW, TROUBLES, WIFI
from firmware.first_boot.terms import Situation, Step, Trouble, WifiEnd, WifiNews
from firmware.workflow.screen import Screen, Text, Tone, say, say_many
from sensors.board.signals import Signal

TITLE = say("This appliance is being set up")
READY = say("This appliance is ready")
STEPS: Mapping[Step, Text] = {
    Step.CLAIM: say("Claim code"),
    Step.AGGREGATOR: say("Network and aggregator"),
    Step.APPROVAL: say("Approval"),
    Step.SUPERVISOR: say("First supervisor"),
    Step.SETTINGS: say("Settings of the site"),
    Step.SELF_TEST: say("Test of all parts"),
}
STATES: Mapping[str, Text] = {
    "done": say("done"),
    "now": say("now"),
    "next": say("later"),
}
WIFI_NAME = say("Name of the Wi-Fi network")
WIFI_PASSPHRASE = say("Passphrase (none for an open network)")
NUMBER = say("Which number does the appliance show?")
WHERE_THE_NUMBER_IS = say(
    "It is on the screen that is plugged into the appliance, and another at each start."
)
NUMBER_LABEL = say("Number, 8 digits")
NUMBER_ENTERED = say("Go on")
USE_WIFI = say("Use this Wi-Fi network")
NOT_WIFI = say(
    "The name has 1 to 32 letters, the passphrase 8 to 63 letters, digits and signs. Nothing was changed."
)

_PARTS: Mapping[str, Text] = {
    "fingerprint reader": say("Fingerprint reader"),
    "camera": say("Camera"),
    "audit log": say("Record of what was done"),
}


def screen_of(situation: Situation) -> Screen:
    """Return what is on the screen."""
    name, trouble = f"first-boot-{situation.step.value}", situation.trouble
    if situation.ready:
        return Screen("first-boot-ready", Tone.GOOD, "tick", READY, _who(situation), busy=True)
    if situation.joins:
        name, words = f"{name}-joins", JOINS
    elif trouble is None:
        words = NOW[situation.step]
    else:
        name, words = f"{name}-{trouble.value.replace(' ', '-')}", TROUBLES[trouble]
    who = () if situation.step is Step.SUPERVISOR else _who(situation)
    lines = (*words.lines, *who, *_facts(situation))
    if words.says and situation.detail:
        lines += (for_whoever_helps(situation.detail),)
    busy = words.tone is Tone.WORKING
    return Screen(name, words.tone, words.pictogram, words.title, lines, words.choices, busy=busy)


def wifi_screen() -> Screen:
    """Return what is above the fields for a Wi-Fi network."""
    return Screen("first-boot-wifi", Tone.CALM, "network", WIFI.label)


def signal_of(situation: Situation) -> Signal:
    """Return what lamp and buzzer show: amber where a person is needed, red for a fault, green when ready."""
    if situation.ready:
        return Signal.DONE
    if situation.joins:
        return Signal.WORKING
    if situation.trouble is None:
        asks = situation.step in (Step.CLAIM, Step.APPROVAL, Step.SUPERVISOR)
        return Signal.GO_TO_A_PERSON if asks else Signal.WORKING
    tone = screen_of(situation).tone
    return {Tone.FAULT: Signal.DEVICE_FAULT, Tone.PERSON: Signal.GO_TO_A_PERSON}.get(tone, Signal.TRY_AGAIN)


def not_the_number(wait_s: float) -> Text:
    """Say that another number was entered, and when the next one is heard."""
    return say_many(
        "This is another number. The next try is heard in {number} second.",
        "This is another number. The next try is heard in {number} seconds.",
        ceil(wait_s),
    )


def numbers_wait(wait_s: float) -> Text:
    """Say that a number was not compared, and when the next one is heard."""
    return say_many(
        "Numbers are heard again in {number} second, since wrong ones were entered.",
        "Numbers are heard again in {number} seconds, since wrong ones were entered.",
        ceil(wait_s),
    )


def this_is(device: str, site: str) -> Text:
    """Say which appliance it is."""
    return say("This is {device} at {site}.", device=device, site=site)


def for_whoever_helps(detail: str) -> Text:
    """Say what a program said, which stays English."""
    return say("For whoever helps: {detail}", detail=detail)


def _of_wifi(news: WifiNews) -> Text:
    match news.end:
        case WifiEnd.WAITS:
            return say("The Wi-Fi network {wifi} is tried as soon as there is a claim.", wifi=news.name)
        case WifiEnd.UNREADABLE:
            return say("The Wi-Fi code cannot be used. Hold it flat, or have the phone show it anew.")
        case WifiEnd.UNSUPPORTED:
            return say("Wi-Fi with WEP or with user names cannot be joined. Use WPA2, WPA3, or a cable.")
        case WifiEnd.NOT_JOINED:
            return say(
                "{wifi} was not joined: not in reach, or not its passphrase. The setting of before is back.",
                wifi=news.name,
            )
    assert_never(news.end)


def _who(situation: Situation) -> tuple[Text, ...]:
    if not situation.device:
        return ()
    return (this_is(situation.device, situation.site),)


def _facts(situation: Situation) -> Iterator[Text]:
    """Yield what is known beside: networks, where it looks, the clock, which part is not well."""
    if situation.joins:
        yield say("The network is {wifi}.", wifi=situation.joins)
    elif situation.news is not None and situation.step in (Step.CLAIM, Step.AGGREGATOR):
        yield _of_wifi(situation.news)
    if situation.step is Step.AGGREGATOR and situation.trouble is not None and not situation.joins:
        if situation.trouble is not Trouble.NO_NETWORK:
            yield say("It is looked for at {target}.", target=situation.target)
        if situation.wifi and situation.news is None:
            yield say("Is the Wi-Fi network {wifi} in reach, and its passphrase right?", wifi=situation.wifi)
        if situation.clock is not None:
            yield say(
                "The clock is wrong: it says {day}. A network sets it; records need that.",
                day=situation.clock,
            )
    for each in situation.findings:
        yield say("{part}: {advice}", part=_PARTS[each.part], advice=each.advice)
