"""Rollouts: how far each has come, what it does to people, and stopping it."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregator.accounts import Right
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.views import Look, Stamp, moment, utc
from aggregator.dashboard.visitors import read_change
from aggregator.fleet import rollout_engine
from aggregator.fleet.canary import Shift, Verdict
from aggregator.fleet.differences import Part
from aggregator.fleet.rollout import UNFINISHED, Rollout, RolloutState
from aggregator.fleet.rollout_engine import NotAllowed
from aggregator.fleet.terms import Missing, Stale
from aggregator.store import fleet_rollout_making, fleet_rollouts
from aggregator.store.fleet_rollouts import Held
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

SHOWN = 100
LOOKS = {
    RolloutState.RUNNING: Look("Under way", "again", "calm"),
    RolloutState.PAUSED: Look("Paused", "clock", "care"),
    RolloutState.STOPPED: Look("Stopped by itself", "diamond", "care"),
    RolloutState.DONE: Look("Done", "tick", "good"),
    RolloutState.CANCELLED: Look("Cancelled", "bar", "calm"),
}
_VERDICTS = {
    Verdict.TOO_FEW: Look("Too few check-ins to say", "clock", "calm"),
    Verdict.NOT_COMPARED: Look("Nothing to compare with", "circle", "calm"),
    Verdict.NOT_WORSE: Look("Not worse", "tick", "good"),
    Verdict.WORSE: Look("Worse for people", "diamond", "care"),
}


class ShiftRow(msgspec.Struct, frozen=True):
    """One rate before and after; difference: in points, with its 95 % interval."""

    rate: str
    before: str
    after: str
    difference: str
    look: Look


class RingRow(msgspec.Struct, frozen=True):
    """One ring; under_way: it is the one that is told now."""

    name: str
    filter: str
    percent: int
    under_way: bool
    devices: int
    told: int
    applied: int
    errors: str
    waiting: int
    silent: int
    began: Stamp | None
    ended: Stamp | None
    shifts: tuple[ShiftRow, ...]


class RolloutRow(msgspec.Struct, frozen=True):
    """One rollout; etag: what a change of it was decided by."""

    name: str
    title: str
    path: str
    look: Look
    reason: str
    changes: tuple[tuple[str, str], ...]
    filter: str
    devices: int
    applied: int
    percent: int
    created: Stamp
    created_by: str
    etag: int
    may_pause: bool
    may_resume: bool
    may_cancel: bool
    rings: tuple[RingRow, ...]


class RolloutPages:
    """Shows rollouts; pausing, resuming and cancelling are for operators."""

    def __init__(self, pages: Pages, view: StoreView, store: StoreWriter) -> None:
        self._pages = pages
        self._view = view
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/rollouts", self._list, methods=["GET"]),
            Route("/rollouts/{name}", self._show, methods=["GET"]),
            Route("/rollouts/{name}", self._move, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        found = await self._view.read(lambda db: fleet_rollouts.read(db, None, SHOWN))
        rows = [rollout_row(held, self._pages.wall_ns()) for held in found]
        return self._pages.answer(request, "rollouts.html", rows=rows)

    async def _show(self, request: Request) -> Response:
        name = request.path_params["name"]
        held = await self._view.read(lambda db: fleet_rollouts.find(db, name))
        if held is None:
            raise HTTPException(404, "There is no such rollout: choose one of the list.")
        return self._pages.answer(request, "rollout.html", row=rollout_row(held, self._pages.wall_ns()))

    async def _move(self, request: Request) -> Response:
        person, fields = await read_change(request, Right.CHANGE)
        name, etag, now_ns, actor = (
            request.path_params["name"],
            fields.get("etag", ""),
            self._pages.wall_ns(),
            str(person),
        )
        if not (etag.isascii() and etag.isdigit() and len(etag) < 19):
            raise HTTPException(400, "Open the rollout's page again.")
        match fields.get("act"):
            case "pause":
                how = partial(rollout_engine.pause, actor=actor)
            case "resume":
                how = partial(rollout_engine.resume, actor=actor)
            case "cancel":
                take_back = fields.get("take_back") == "yes"
                how = partial(rollout_engine.cancel, actor=actor, now_ns=now_ns, take_back=take_back)
            case _:
                raise HTTPException(400, "This page offers no such act.")
        moved = await self._store.submit(
            lambda db: fleet_rollout_making.move(
                db, name, how, revision=int(etag), now_ns=now_ns, actor=actor
            )
        )
        match moved:
            case Missing():
                raise HTTPException(404, "There is no such rollout: choose one of the list.")
            case Stale():
                raise HTTPException(
                    409, "Nothing was done: it has moved on meanwhile. Look at its page again."
                )
            case NotAllowed() as refused:
                raise HTTPException(409, f"Nothing was done: {refused.why}")
            case Held():
                return RedirectResponse(f"/rollouts/{quote(name, safe='')}", 303)


def rollout_row(held: Held, now_ns: int) -> RolloutRow:
    """Return what to say of a rollout."""
    rollout, now = held.rollout, utc(now_ns)
    devices, applied = sum(each.devices for each in held.counts), sum(each.applied for each in held.counts)
    settings = tuple(sorted(rollout.change.settings.items()))
    artifacts = tuple((each.kind.value, each.version) for each in rollout.change.artifacts)
    return RolloutRow(
        name=rollout.name,
        title=rollout.title,
        path=f"/rollouts/{quote(rollout.name, safe='')}",
        look=LOOKS[rollout.state],
        reason=rollout.reason,
        changes=settings + artifacts,
        filter=rollout.filter,
        devices=devices,
        applied=applied,
        percent=round(100 * applied / devices) if devices else 0,
        created=moment(utc(rollout.created_ns), now),
        created_by=rollout.created_by,
        etag=held.revision,
        may_pause=rollout.state is RolloutState.RUNNING,
        may_resume=rollout.state in (RolloutState.PAUSED, RolloutState.STOPPED),
        may_cancel=rollout.state in UNFINISHED,
        rings=tuple(_ring(held, number, now_ns) for number in range(len(rollout.rings))),
    )


def _ring(held: Held, number: int, now_ns: int) -> RingRow:
    rollout: Rollout = held.rollout
    ring, count, watch, now = rollout.rings[number], held.counts[number], rollout.watches[number], utc(now_ns)
    errors = {"refused": count.refused, "rolled back": count.rolled_back, "failing since": count.failing}
    return RingRow(
        name=ring.name,
        filter=ring.filter,
        percent=ring.percent,
        under_way=rollout.state in UNFINISHED and number == rollout.ring,
        devices=count.devices,
        told=count.told,
        applied=count.applied,
        errors=", ".join(f"{amount} {word}" for word, amount in errors.items() if amount),
        waiting=count.waiting,
        silent=count.silent,
        began=None if watch.began_ns is None else moment(utc(watch.began_ns), now),
        ended=None if watch.ended_ns is None else moment(utc(watch.ended_ns), now),
        shifts=tuple(map(_shift, watch.shifts)),
    )


def _shift(shift: Shift) -> ShiftRow:
    told = shift.excess or shift.risen
    beside = " beyond the unchanged" if shift.excess else ""
    return ShiftRow(
        shift.rate.value,
        _part(shift.changed.before),
        _part(shift.changed.after),
        ""
        if told is None
        else f"{100 * told.value:+.2f} points{beside}, {100 * told.low:+.2f} to {100 * told.high:+.2f}",
        _VERDICTS[shift.verdict],
    )


def _part(part: Part) -> str:
    return f"{100 * part.rate:.2f} % of {part.of:.0f}" if part.of else "no check-ins"
