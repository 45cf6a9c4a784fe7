"""A store with some devices, and what they are asked to be and say that they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aggregator.fleet.terms import DesireChange, FleetDevice, Scope, StoredArtifact
from aggregator.records import Hello
from aggregator.store import fleet_artifacts, fleet_desires, fleet_devices, ingest
from aggregator.store.database import open_writer
from aggregator.store.fleet_desires import Changed
from aggregator.store.place import Place
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS, apart
from tests.kit.link_device import EPOCH
from trust.state import Artifact, ArtifactKind, DesiredResult, DesiredState, Refusal, ReportedState

POINT = Artifact(ArtifactKind.OPERATING_POINT, "strict", "ab" * 32, 2048)
ACTOR = "operator ana"


@contextmanager
def fleet_store(place: Place, devices: dict[str, str]) -> Iterator[Database]:
    """Yield a store's writer in which these devices, each at its site, have said hello."""
    with open_writer(place, None) as db, db.atomic():
        for number, (device_id, site) in enumerate(devices.items(), 1):
            hello(db, device_id, site, number)
        fleet_artifacts.add(db, StoredArtifact(POINT, "stricter", NOW_NS, ACTOR))
        yield db


@contextmanager
def beside(store: Place) -> Iterator[Database]:
    """Yield a transaction on a store that a server writes to."""
    with open_writer(store, None, beside_server=True) as db, db.atomic():
        db.take_turn()
        yield db


def change_beside(store: Place, work: Callable[[Database], object]) -> None:
    """Do `work` on a store that a server writes to in the test's own event loop."""

    def change() -> None:
        with beside(store) as db:
            work(db)

    apart(change)


def hello(
    db: Database, device_id: str, site: str, generation: int = 1, version: str = "0.1.0", at_ns: int = NOW_NS
) -> None:
    ingest.admit(db, Hello(device_id, EPOCH, 0, version, site, generation, EPOCH), at_ns)


def desire(db: Database, scope: Scope, **settings: str | None) -> Changed:
    """Desire settings in one scope; their names with __ for the dot."""
    what = DesireChange({name.replace("__", "."): value for name, value in settings.items()})
    changed = fleet_desires.change(db, scope, what, revision=None, now_ns=NOW_NS, actor=ACTOR)
    assert isinstance(changed, Changed), changed
    return changed


def device(db: Database, device_id: str, *, connected: bool = True, now_ns: int = NOW_NS) -> FleetDevice:
    (found,) = fleet_devices.read(db, [device_id], now_ns, {device_id} if connected else ())
    return found


def wanted(db: Database, device_id: str) -> DesiredState:
    """Return what a device should be."""
    found = device(db, device_id).desired
    assert found is not None
    return found.state


def report(
    desired: DesiredState | None,
    result: DesiredResult = DesiredResult.APPLIED,
    *,
    generation: int | None = None,
    digest: str | None = None,
    settings: dict[str, str] | None = None,
    refusals: tuple[Refusal, ...] = (),
) -> ReportedState:
    """Return what a device reports that took the desired state up, with some of it said otherwise."""
    state = desired or DesiredState(0, {}, ())
    return ReportedState(
        generation=state.generation if generation is None else generation,
        result=result,
        digest=(state.digest() if desired else "") if digest is None else digest,
        refusals=refusals,
        software_version="0.1.0",
        settings=state.settings if settings is None else settings,
        artifacts=state.artifacts,
        known_settings=tuple(state.settings),
    )
