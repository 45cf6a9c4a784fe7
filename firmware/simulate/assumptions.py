"""What is assumed of people: how long they take, and how often something is out of the ordinary.

None of this was measured: the times are guesses of the order that WORKFLOWS.md's targets imply, the shares
are what a hard day may bring. Change them to what a site sees. What the appliance takes itself is measured
(`docs/benchmarks.md`), and how often it does not match the right person is in `error_rates`.
"""

from __future__ import annotations

import math
import random

import msgspec


class Seconds(msgspec.Struct, frozen=True):
    """A time that people take: log-normal, by its median and the one in twenty that takes longer."""

    median: float
    p95: float

    def draw(self, source: random.Random) -> float:
        """Draw one."""
        sigma = math.log(self.p95 / self.median) / 1.645
        return self.median * math.exp(sigma * source.gauss(0, 1))


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """What people and the appliance take, in seconds.

    step_up: the next person comes to the desk. show_card: it is before the camera. type_number: staff type it
    instead. look: until a face is in the picture. place: until a finger lies well. face_work: two frames,
    taken and compared. finger_work: an R503's image, 1.7 s, and its comparison. read_notice: heard, and
    answered. look_at: staff look at card or paper and person. hand_over: the ration, then GIVEN. hand_token:
    the slip, and where to go. pin: name and PIN. choose: staff read a screen and choose.
    """

    step_up: Seconds = Seconds(3.0, 8.0)
    show_card: Seconds = Seconds(1.8, 4.0)
    type_number: Seconds = Seconds(6.0, 12.0)
    look: Seconds = Seconds(1.5, 4.0)
    place: Seconds = Seconds(2.0, 5.0)
    face_work: Seconds = Seconds(0.4, 0.6)
    finger_work: Seconds = Seconds(1.9, 2.0)
    read_notice: Seconds = Seconds(9.0, 20.0)
    question: Seconds = Seconds(30.0, 90.0)
    look_at: Seconds = Seconds(4.0, 10.0)
    hand_over: Seconds = Seconds(6.0, 12.0)
    hand_token: Seconds = Seconds(3.0, 6.0)
    pin: Seconds = Seconds(12.0, 25.0)
    choose: Seconds = Seconds(1.2, 3.0)


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """How many of all people, 0 to 1.

    absent: do not come. registered: have templates. declines: want no biometrics today. wet: the first print
    is too wet. worn: among the worst 20 % of prints. poor_face: among the worst 5 %. covers_face: the face
    is not shown at all. lost_card, damaged_card, foreign_card, old_card: of another site, of another cycle.
    again: come a second time. stranger: not on the list. alternate: comes for the collectors. wrong_card:
    staff scan the next one's card. double_scan: staff scan twice. forgotten: GIVEN is not pressed at once;
    never_pressed: of those, at all. wrong_pin: of PINs. question: ask before they answer. complains.
    twin: of appointments, with a twin on the list. infant: of appointments, under five, with a caregiver.
    wrong_confirmation: staff confirm a candidate who is not the one. registers: of those without templates.
    """

    absent: float = 0.03
    registered: float = 0.96
    declines: float = 0.02
    wet: float = 0.08
    worn: float = 0.20
    poor_face: float = 0.05
    covers_face: float = 0.03
    lost_card: float = 0.01
    damaged_card: float = 0.02
    foreign_card: float = 0.003
    old_card: float = 0.005
    again: float = 0.01
    stranger: float = 0.003
    alternate: float = 0.04
    wrong_card: float = 0.003
    double_scan: float = 0.01
    forgotten: float = 0.005
    never_pressed: float = 0.2
    wrong_pin: float = 0.03
    question: float = 0.03
    complains: float = 0.005
    twin: float = 0.02
    infant: float = 0.08
    wrong_confirmation: float = 0.005
    registers: float = 0.5
    no_card: float = 0.10


class Outage(msgspec.Struct, frozen=True):
    """Something is away for a while: "uplink", "site network", "reader", "camera"; hours of the day."""

    what: str
    from_h: float
    to_h: float
    lane: int = 0


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    peaks: how many times as many people come in each hour, from the opening on. loss_cap: hand-overs in
    exception that are signed, as a share of the households that each appliance serves; two at least.
    """

    times: Times = Times()
    shares: Shares = Shares()
    loss_cap: float = 0.03
    peaks: tuple[float, ...] = (1.6, 1.4, 1.1, 0.9, 0.7, 0.8, 0.8, 0.7)
    outages: tuple[Outage, ...] = (
        Outage("uplink", 1.0, 5.5),
        Outage("site network", 3.0, 3.5),
        Outage("reader", 2.0, 2.25),
    )
