"""What one device should be, put together from its scopes."""

from __future__ import annotations

from aggregator.fleet.merging import Layer, drift, merge
from aggregator.fleet.terms import FLEET, Desire, Scope, ScopeKind
from tests.kit.fleet_store import POINT, report
from trust.state import Artifact, ArtifactKind, DesiredState

OTHER = Artifact(ArtifactKind.OPERATING_POINT, "lenient", "cd" * 32, 2000)


def layer(scope: Scope, rank: int = 0, *artifacts: Artifact, **settings: str) -> Layer:
    return Layer(Desire(scope, 1, settings, artifacts, 0, "ana"), rank)


def group(name: str, rank: int, **settings: str) -> Layer:
    return layer(Scope(ScopeKind.GROUP, name), rank, **settings)


def test_the_narrower_scope_holds_field_by_field() -> None:
    merged = merge(
        [
            layer(Scope(ScopeKind.DEVICE, "desk-1"), own='"device"'),
            group("low", 1, own='"low"', group='"low"', both='"low"'),
            group("high", 2, own='"high"', both='"high"'),
            layer(Scope(ScopeKind.SITE, "gate"), 0, OTHER, own='"site"', group='"site"', site='"site"'),
            layer(FLEET, 0, POINT, own='"fleet"', site='"fleet"', fleet='"fleet"'),
        ]
    )
    assert merged.settings == {
        "own": '"device"',
        "group": '"low"',
        "both": '"high"',
        "site": '"site"',
        "fleet": '"fleet"',
    }
    assert merged.artifacts == (OTHER,)
    assert merged.remarks == ()


def test_between_groups_of_one_rank_the_name_decides_and_a_remark_says_so() -> None:
    layers = [group("b", 5, x="2", same="7"), group("a", 5, x="1", same="7"), group("aa", 4, x="3")]
    for order in (layers, layers[::-1]):
        merged = merge(order)
        assert merged.settings == {"x": "1", "same": "7"}
        (remark,) = merged.remarks
        assert "settings.x: groups a and b desire different things at rank 5; a holds" in remark


def test_drift_names_the_fields_that_are_not_shown() -> None:
    desired = DesiredState(1, {"session.tries": "3", "page.on": "true", "light.level": "0.5"}, (POINT,))
    assert drift(desired, report(desired)) == ()
    shown = report(desired, settings={"session.tries": "3.0", "page.on": "1"})
    assert drift(desired, shown) == ("settings.light.level", "settings.page.on")
    without = report(DesiredState(1, desired.settings, (OTHER,)))
    assert drift(desired, without) == ("artifacts.operating_point",)
