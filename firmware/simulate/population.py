"""Who comes: drawn from a seed, with what is true of each, which the appliance is not told."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import Enum, unique

from firmware.cards.making import appointment_card, household_card
from firmware.cards.payload import NOT_OURS, UNREADABLE
from firmware.simulate.assumptions import Assumptions, Shares
from trust.issuer import IssuerKey
from trust.lists.terms import Appointment, ClinicList, DistributionList, Household, Ration

SITE, CYCLE = "simulated-site", "cycle-1"
COHORTS = ("f 18-59", "m 18-59", "f 60+", "m 60+")


@unique
class CardState(Enum):
    """What the card is like that somebody shows."""

    GOOD = "good"
    DAMAGED = "damaged"
    LOST = "lost"
    FOREIGN = "foreign"
    OLD = "of another cycle or day"
    NONE = "none at hand"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, as they are. subject: the number they are registered under, or would be."""

    subject: str
    declines: bool = False
    wet: bool = False
    worn: bool = False
    poor_face: bool = False
    covers_face: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One person who comes once.

    number: of the household or appointment. due: whether they are entitled to be served at this visit.
    scanned: what the camera reads of the card. again: the household, or the person, came before.
    twin: whose twin they are, "" for nobody's. infant: a child under five, with a caregiver.
    """

    person: Person
    number: str
    card: CardState
    scanned: str = field(repr=False)
    due: bool = True
    again: bool = False
    alternate: bool = False
    alternate_here: bool = False
    on_list: bool = True
    infant: bool = False
    arrives_s: float = 0.0


class Crowd:
    """Draws lists and visits; the same seed draws the same. issuer: signs the cards, and is no secret."""

    def __init__(
        self, people: int, seed: int, assumptions: Assumptions, today: date, issuer: IssuerKey
    ) -> None:
        self._people = people
        self._seed = seed
        self._shares: Shares = assumptions.shares
        self._peaks = assumptions.peaks
        self._loss_cap = assumptions.loss_cap
        self._today = today
        self.issuer = issuer
        self.registered: dict[str, Person] = {}
        self.caregivers: dict[str, str] = {}
        self.twins: dict[str, str] = {}

    def source(self, of: str) -> random.Random:
        """Return a source of chance of its own, so that one more draw here changes nothing there."""
        return random.Random(f"{self._seed} {of}")  # noqa: S311 -- a scenario, not a secret

    def key(self) -> bytes:
        """Return the key of the list, the same for the same seed."""
        return self.source("key").randbytes(32)

    # Distribution

    def distribution(self, roster: tuple[str, ...]) -> DistributionList:
        """Return the cycle's list."""
        source = self.source("households")
        households = []
        for place in range(1, self._people + 1):
            size = min(12, 1 + int(source.expovariate(1 / 3.5)))
            collectors = tuple(f"P-{place:05}-{each}" for each in range(1, 2 + (size > 2)))
            alternates = (f"P-{place:05}-9",) if source.random() < 0.5 else ()
            rations = (Ration("rice", str(5 * size), "kg"), Ration("oil", f"{size / 2:g}", "l"))
            cohort = source.choice(COHORTS)
            households.append(Household(f"H-{place:05}", size, collectors, alternates, rations, cohort))
            for subject in (*collectors, *alternates):
                self._register(self._draw(subject, source), source)
        loss_cap = max(2, round(self._loss_cap * self._people / len(roster)))
        return DistributionList(
            SITE, CYCLE, self._today, self._today, "D", loss_cap, roster, tuple(households), self.key()
        )

    def collectors(self, planned: DistributionList, hours: float) -> list[Visit]:
        """Return the visits of the day, in the order of their arrival."""
        source, shares, visits = self.source("visits"), self._shares, []
        for household in planned.households:
            if source.random() < shares.absent:
                continue
            alternate = bool(household.alternates) and source.random() < shares.alternate
            subject = source.choice(household.alternates if alternate else household.collectors)
            first = Visit(
                self._here(subject, source), household.number, self._card(source), "",
                alternate=alternate, alternate_here=source.random() < 0.2,
            )  # fmt: skip
            visits.append(first)
            if source.random() < shares.again:
                other = self._here(source.choice(household.collectors), source)
                visits.append(replace(first, person=other, due=False, again=True, alternate=False))
        for place in range(round(shares.stranger * len(planned.households))):
            stranger = self._here(f"P-9{place:04}-1", source)
            visits.append(Visit(stranger, f"H-9{place:04}", CardState.GOOD, "", due=False, on_list=False))
        return self._arriving([self._with_household_card(visit) for visit in visits], source, hours)

    def _with_household_card(self, visit: Visit) -> Visit:
        until = self._today + timedelta(days=200)
        cycle = "cycle-0" if visit.card is CardState.OLD else ""
        return replace(visit, scanned=self._scanned(visit, household_card(
            self.issuer, SITE, visit.number, until, cycle
        )))  # fmt: skip

    # Clinic

    def clinic(self, lanes: int) -> list[ClinicList]:
        """Return the day's list of each lane."""
        source, shares = self.source("appointments"), self._shares
        appointments = []
        for place in range(1, self._people + 1):
            number = f"A-{place:04}"
            appointments.append(Appointment(number, None, source.choice(COHORTS)))
            if source.random() < shares.infant:
                caregiver = self._draw(f"C-{place:04}", source)
                self.caregivers[number] = caregiver.subject
                self._register(caregiver, source)
            else:
                self._register(self._draw(number, source), source)
        for one, other in itertools.pairwise(appointments):
            if source.random() < shares.twin / 2:
                self.twins[one.number], self.twins[other.number] = other.number, one.number
        shared = [tuple(appointments[lane::lanes]) for lane in range(lanes)]
        return [ClinicList(SITE, self._today, share, self.key()) for share in shared]

    def patients(self, planned: ClinicList, hours: float) -> list[Visit]:
        """Return the visits of the day, in the order of their arrival."""
        source, shares = self.source(f"visits {planned.appointments[0].number}"), self._shares
        visits = []
        for appointment in planned.appointments:
            if source.random() < shares.absent:
                continue
            number = appointment.number
            card = CardState.NONE if source.random() < shares.no_card else self._card(source)
            subject = self.caregivers.get(number, number)
            visits.append(
                Visit(self._here(subject, source), number, card, "", infant=number in self.caregivers)
            )
        for place in range(round(shares.stranger * len(planned.appointments))):
            stranger = self._here(f"A-9{place:03}", source)
            visits.append(Visit(stranger, stranger.subject, CardState.GOOD, "", on_list=False))
        made = []
        for visit in visits:
            day = self._today - timedelta(days=visit.card is CardState.OLD)
            text = appointment_card(self.issuer, SITE, visit.number, day)
            made.append(replace(visit, scanned=self._scanned(visit, text)))
        return self._arriving(made, source, hours)

    # Both

    def _draw(self, subject: str, source: random.Random) -> Person:
        shares = self._shares
        return Person(
            subject,
            declines=source.random() < shares.declines,
            wet=source.random() < shares.wet,
            worn=source.random() < shares.worn,
            poor_face=source.random() < shares.poor_face,
            covers_face=source.random() < shares.covers_face,
        )

    def _register(self, person: Person, source: random.Random) -> None:
        if source.random() < self._shares.registered:
            self.registered[person.subject] = person

    def _here(self, subject: str, source: random.Random) -> Person:
        return self.registered.get(subject) or self._draw(subject, source)

    def _card(self, source: random.Random) -> CardState:
        shares = self._shares
        drawn = source.random()
        for state, share in (
            (CardState.LOST, shares.lost_card),
            (CardState.DAMAGED, shares.damaged_card),
            (CardState.FOREIGN, shares.foreign_card),
            (CardState.OLD, shares.old_card),
        ):
            if drawn < share:
                return state
            drawn -= share
        return CardState.GOOD

    def _scanned(self, visit: Visit, text: str) -> str:
        match visit.card:
            case CardState.DAMAGED:
                return UNREADABLE
            case CardState.FOREIGN:
                return NOT_OURS
            case _:
                return text

    def _arriving(self, visits: list[Visit], source: random.Random, hours: float) -> list[Visit]:
        """Spread the visits over the day as a Poisson process with peaks; whoever comes again comes later."""
        peaks = self._peaks[: max(1, round(hours))]
        arriving = []
        times: dict[str, float] = {}
        for visit in visits:
            hour = source.choices(range(len(peaks)), peaks)[0]
            at_s = (hour + source.random()) * hours * 3600 / len(peaks)
            if visit.again:
                at_s = times[visit.number] + source.uniform(600, 7200)
            times[visit.number] = at_s
            arriving.append(replace(visit, arrives_s=at_s))
        return sorted(arriving, key=lambda visit: (visit.arrives_s, visit.number))
