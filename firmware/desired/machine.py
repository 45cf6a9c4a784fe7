"""The machine that takes up desired states: Idle, Fetching, Awaiting quiet, Applying, Self-testing, and back.

Pure: each step is written to the store as a whole before anything is done for it. A power cut before an
`Applying` was written leaves the old state in use. After it, the next start tries the new one, and the old
one is in use again unless the self-test has passed; both ends are single writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

import msgspec

from firmware.desired.terms import Decision, Phase, Standing, UnderWay, with_it
from trust.state import ArtifactKind, DesiredResult, DesiredState, Refusal

MAX_STARTS = 2
"""With a state that is being tried: a power cut may end the first; what never comes up is taken back."""
MAX_STARTS_OF_SOFTWARE = 3
SELF_TEST = "self_test"
"""The field that a refusal names when the self-test failed."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A desired state came; refusals: what can be said against it without its files."""

    desired: DesiredState
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Examined:
    """Its files are here; refusals: what is to be said against them, or against writing them."""

    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Quiet:
    """Its window is open and nobody is served; well: the parts that are well at this moment."""

    well: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """The appliance starts."""


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """The power failed while software was being written: the machine does not start from it."""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """The self-test with it ended; refusals: what failed."""

    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """What is in use does not fit the appliance's file any more, which was changed meanwhile."""

    refusals: tuple[Refusal, ...]


Event: TypeAlias = Arrived | Examined | Quiet | NotInstalled | Started | SelfTested | Unusable


def step(standing: Standing, event: Event) -> Standing:
    """Return what follows; an event that means nothing in this phase changes nothing."""
    way = standing.under_way
    match event:
        case Arrived(desired, refusals):
            return _arrived(standing, desired, refusals)
        case Examined(refusals):
            if way is None or way.phase is Phase.SELF_TESTING:
                return standing
            if refusals:
                return _decided(standing, way.desired, DesiredResult.REFUSED, refusals)
            if way.phase is not Phase.FETCHING:
                return standing
            return _in_phase(standing, way, Phase.AWAITING_QUIET)
        case Quiet(well):
            if way is None or way.phase is not Phase.AWAITING_QUIET:
                return standing
            return _in_phase(standing, way, Phase.APPLYING, well_before=well)
        case NotInstalled():
            if way is None or way.phase is not Phase.APPLYING:
                return standing
            return _tried_again(standing, way, Phase.AWAITING_QUIET)
        case Started():
            if way is None or way.phase not in (Phase.APPLYING, Phase.SELF_TESTING):
                return standing
            return _tried_again(standing, way, Phase.SELF_TESTING)
        case SelfTested(refusals):
            if way is None or way.phase is not Phase.SELF_TESTING:
                return standing
            if refusals:
                return _decided(standing, way.desired, DesiredResult.ROLLED_BACK, refusals)
            return _taken_up(standing, way.desired)
        case Unusable(refusals):
            generation = 0 if standing.decision is None else standing.decision.generation
            decision = Decision(generation, DesiredResult.ROLLED_BACK, refusals)
            return msgspec.structs.replace(standing, in_use=None, decision=decision)
        case _:
            assert_never(event)


def _arrived(standing: Standing, desired: DesiredState, refusals: tuple[Refusal, ...]) -> Standing:
    way = standing.under_way
    if way is not None and way.desired.generation == desired.generation:
        # The same once more, as after a broken link, or with another window of its site.
        may_wait = way.phase in (Phase.FETCHING, Phase.AWAITING_QUIET)
        if not may_wait or refusals or way.desired.digest() != desired.digest():
            return standing
        return _in_phase(standing, way, way.phase, desired=desired)
    follows = standing.following is not None and standing.following.generation == desired.generation
    if desired.generation <= standing.newest and not follows:
        return standing
    if way is not None and way.phase in (Phase.APPLYING, Phase.SELF_TESTING):
        return msgspec.structs.replace(standing, following=desired)
    standing = msgspec.structs.replace(standing, following=None)
    if refusals:
        return _decided(standing, desired, DesiredResult.REFUSED, refusals)
    new, used = with_it(standing.in_use, desired), standing.in_use
    if (new.settings, new.artifacts) == ((used.settings, used.artifacts) if used is not None else ({}, ())):
        return _taken_up(standing, desired)
    return msgspec.structs.replace(standing, under_way=UnderWay(desired))


def _tried_again(standing: Standing, way: UnderWay, phase: Phase) -> Standing:
    brings_software = any(each.kind is ArtifactKind.SOFTWARE for each in way.desired.artifacts)
    if way.starts < (MAX_STARTS_OF_SOFTWARE if brings_software else MAX_STARTS):
        return _in_phase(standing, way, phase, starts=way.starts + 1)
    never = Refusal(
        SELF_TEST,
        f"the appliance stopped {way.starts} times before its self-test ended: look at its log, and desire "
        "it again with another generation",
    )
    return _decided(standing, way.desired, DesiredResult.ROLLED_BACK, (never,))


def _in_phase(standing: Standing, way: UnderWay, phase: Phase, **changes: object) -> Standing:
    changed = msgspec.structs.replace(way, phase=phase, **changes)
    return msgspec.structs.replace(standing, under_way=changed)


def _taken_up(standing: Standing, desired: DesiredState) -> Standing:
    decided = _decided(standing, desired, DesiredResult.APPLIED)
    return msgspec.structs.replace(decided, in_use=with_it(standing.in_use, desired))


def _decided(
    standing: Standing, desired: DesiredState, result: DesiredResult, refusals: tuple[Refusal, ...] = ()
) -> Standing:
    decision = Decision(desired.generation, result, refusals)
    return msgspec.structs.replace(standing, decision=decision, under_way=None)
