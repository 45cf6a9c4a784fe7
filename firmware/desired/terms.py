"""How far the taking up of a desired state is: what the store keeps, so that a power cut changes nothing."""

from __future__ import annotations

from enum import Enum, unique

import msgspec

from trust.state import Artifact, DesiredResult, DesiredState, Refusal


@unique
class Phase(Enum):
    """What is being done for a desired state that is not decided yet."""

    FETCHING = "fetching"
    AWAITING_QUIET = "awaiting quiet"
    APPLYING = "applying"
    SELF_TESTING = "self-testing"


class UnderWay(msgspec.Struct, frozen=True):
    """A desired state on its way.

    well_before: the parts that were well just before it was applied. starts: of the appliance with it.
    """

    desired: DesiredState
    phase: Phase = Phase.FETCHING
    well_before: tuple[str, ...] = ()
    starts: int = 0


class InUse(msgspec.Struct, frozen=True):
    """What is in use of what the desk desired; artifacts: also of earlier desired states that named them.

    digest: of the desired state that was taken up last, in hex.
    """

    digest: str
    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]


class Decision(msgspec.Struct, frozen=True):
    """What became of the newest desired state that was decided on."""

    generation: int
    result: DesiredResult
    refusals: tuple[Refusal, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """All of it. following: came while another was being applied, and is looked at after it."""

    in_use: InUse | None = None
    decision: Decision | None = None
    under_way: UnderWay | None = None
    following: DesiredState | None = None

    @property
    def newest(self) -> int:
        """The generation of the newest desired state that was heard of, 0 before the first."""
        heard = (
            self.decision and self.decision.generation,
            self.under_way and self.under_way.desired.generation,
            self.following and self.following.generation,
        )
        return max(each or 0 for each in heard)

    @property
    def to_use(self) -> InUse | None:
        """What the appliance is built with: what is being tried, or else what was taken up."""
        if self.under_way is not None and self.under_way.phase is Phase.SELF_TESTING:
            return with_it(self.in_use, self.under_way.desired)
        return self.in_use

    def digests(self) -> frozenset[str]:
        """The files that are needed, by their digests in hex."""
        artifacts = [] if self.in_use is None else [*self.in_use.artifacts]
        if self.under_way is not None:
            artifacts += self.under_way.desired.artifacts
        return frozenset(each.digest for each in artifacts)


def with_it(before: InUse | None, desired: DesiredState) -> InUse:
    """Return what is in use once `desired` is taken up: files that it does not name stay."""
    kept = {each.kind: each for each in (before.artifacts if before is not None else ())}
    kept |= {each.kind: each for each in desired.artifacts}
    artifacts = tuple(sorted(kept.values(), key=lambda each: each.kind.value))
    return InUse(desired.digest(), desired.settings, artifacts)
