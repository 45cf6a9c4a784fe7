"""Where the first boot stands, as a value: the page, the lamp and the tests read the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum, unique

from firmware.config import Config
from firmware.day.self_test import PartFinding


@unique
class Step(Enum):
    """What has to be done, in this order."""

    CLAIM = "claim"
    AGGREGATOR = "aggregator"
    APPROVAL = "approval"
    SUPERVISOR = "supervisor"
    SETTINGS = "settings"
    SELF_TEST = "self-test"


@unique
class Trouble(Enum):
    """Why it does not go on by itself, or not yet."""

    FILE_UNREADABLE = "file unreadable"
    CODE_UNREADABLE = "code unreadable"
    CODE_FOREIGN = "code foreign"
    CLAIM_UNKNOWN = "claim unknown"
    CLAIM_OF_OTHER_SITE = "claim of other site"
    CLAIM_USED = "claim used"
    CLAIM_EXPIRED = "claim expired"
    REFUSED = "refused"
    NO_NETWORK = "no network"
    NO_ANSWER = "no answer"
    OTHER_AGGREGATOR = "other aggregator"
    NO_KEYS = "no keys"
    NOT_WRITTEN = "not written"
    NOT_STARTED = "not started"
    PARTS = "parts"
    PIN = "pin"
    NAMES_NOBODY = "names nobody"


@unique
class WifiEnd(Enum):
    """What came of a Wi-Fi network that somebody showed or entered."""

    WAITS = "waits"
    """For a claim."""
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    NOT_JOINED = "not joined"


@dataclass(frozen=True, slots=True)
class WifiNews:
    """What is told of the last of them. name: of the network, empty where it is not known."""

    end: WifiEnd
    name: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where it stands.

    detail: what a program said, in English, for whoever is asked for help. device, site: who this is to be.
    target: where the aggregator is. key_words: what the operator compares. wifi: the network that is set.
    joins: the one that is tried just now. news: of the last that was tried.
    clock: what the clock says, where it is surely wrong. findings: of the self-test. ready: all is done.
    languages: of the screen, the site's own first; empty until a claim says so. tablets: where the page is
    served to the network, as the appliance's file has it; empty for nowhere.
    """

    step: Step
    trouble: Trouble | None = None
    detail: str = ""
    device: str = ""
    site: str = ""
    target: str = ""
    key_words: str = ""
    wifi: str = ""
    joins: str = ""
    news: WifiNews | None = None
    clock: date | None = None
    findings: tuple[PartFinding, ...] = ()
    languages: tuple[str, ...] = ()
    tablets: str = ""
    ready: bool = False


def standing(
    config: Config,
    step: Step,
    trouble: Trouble | None = None,
    detail: str = "",
    findings: tuple[PartFinding, ...] = (),
) -> Situation:
    """Return where the first boot of an appliance stands that has joined."""
    device, page = config.device, config.page
    return Situation(
        step,
        trouble,
        detail,
        device=device.id,
        site=device.site,
        findings=findings,
        languages=() if page is None else page.languages,
        tablets="" if page is None or page.tablet is None else page.tablet,
    )
