"""What the page asks of the rest of the appliance: the station that it draws, and who may sign in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from firmware.day.day import ToClose
from firmware.day.lines import Told
from firmware.lists.reading import FaultsFound, ReadList
from firmware.records import ListLoaded
from firmware.store.lists import LoadedList
from firmware.updating.stick import Phase
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Acted, Screen
from firmware.workflow.terms import Role
from firmware.workflow.viewing import Accepted as Accepted
from firmware.workflow.viewing import HeldBack as HeldBack
from firmware.workflow.viewing import HeldBy as HeldBy
from firmware.workflow.viewing import Reply
from firmware.workflow.viewing import Stale as Stale
from sensors.board.port import Button

Answered: TypeAlias = Reply


class Station(Protocol):
    """One appliance with one session at a time and any number of viewers. Used from the event loop."""

    @property
    def screen(self) -> Screen:
        """What is to be drawn."""

    @property
    def revision(self) -> int:
        """Number of this screen; one more with each new one."""

    @property
    def highlight(self) -> int | None:
        """Index of the choice that OK takes, None before one was chosen."""

    @property
    def idle(self) -> bool:
        """Whether nobody is served."""

    @property
    def language(self) -> str:
        """BCP 47 tag of the person's language."""

    def kept_free(self) -> AbstractContextManager[None]:
        """Let nobody begin meanwhile; HELP works."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` when one of these is another; returns what takes it off again."""

    async def act(self, revision: int, acted: Acted) -> Answered:
        """Do what somebody chose on the screen of that revision."""

    async def press(self, button: Button, operator: str = "") -> Answered:
        """Do what a button of the board does, by whoever is signed in."""

    async def take_over(self, operator: str) -> None:
        """Let this operator serve the person who is here."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The top of each screen. waiting: records that are not sent yet; uplink: None where there is none."""

    lane: str
    waiting: int = 0
    uplink: bool | None = None


class DayWork(Protocol):
    """The opening and the close of the day. Raises StoreError."""

    async def open(self, operator: str) -> Told:
        """Try each part and begin the day."""

    async def to_close(self) -> ToClose:
        """Return what a close comes to now."""

    async def close(self, operator: str, *, ends_cycle: bool | None) -> Told:
        """Send what waits, seal, erase the list with a receipt.

        ends_cycle: whether this was the last day of a distribution; None where none is loaded.
        """

    def say_waiting(self, people: int) -> None:
        """Keep how many people staff see waiting."""

    async def was_closed(self) -> bool:
        """Tell whether there is a report of a day that was closed."""

    async def report(self, kind: str, *, last: bool) -> bytes | None:
        """Return the report so far, or of the day that was closed last, as "pdf", "csv" or "json"."""


class UpdateWork(Protocol):
    """Installs software from a memory stick (`firmware.updating.stick.StickUpdates`)."""

    @property
    def phase(self) -> Phase:
        """How far it is."""

    @property
    def reason(self) -> str:
        """Why it failed, empty otherwise."""

    async def files(self) -> tuple[str, ...]:
        """Return the bundles that there are."""

    async def install(self, file: str) -> None:
        """Install one; the machine starts anew in the end, or `reason` says why not."""


class ListWork(Protocol):
    """Loads the list of the day or of the cycle (`firmware.lists.loading.ListLoading`). Raises StoreError."""

    @property
    def has_folder(self) -> bool:
        """Whether files of a folder are offered."""

    async def loaded(self) -> LoadedList | None:
        """Return what is loaded."""

    async def files(self) -> tuple[str, ...]:
        """Return the files of the folder that may be lists."""

    async def pick(self, file: str) -> ReadList | FaultsFound:
        """Read and check a file of the folder; loads nothing."""

    async def read(self, content: bytes) -> ReadList | FaultsFound:
        """Read and check what a file holds; loads nothing."""

    async def load(self, read: ReadList, approved_by: tuple[str, ...]) -> ListLoaded | FaultsFound:
        """Take the list up whole; ListRefused says why it is not. approved_by: who answers for it."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may sign in."""

    name: str
    role: Role

    @property
    def pictogram(self) -> str:
        """The sign of the role."""
        return "staff" if self.role is Role.SUPERVISOR else "person"


class StaffWork(Protocol):
    """Says who works here. Raises StaffRefused and other kinds of StoreError."""

    async def members(self) -> tuple[Member, ...]:
        """Return everybody, by name."""

    async def add(self, name: str, role: Role, pin: str, *, by: str) -> None:
        """Let somebody sign in. by: the supervisor who decides it."""

    async def set_pin(self, name: str, pin: str, *, by: str) -> None:
        """Give a member another PIN."""

    async def remove(self, name: str, *, by: str) -> None:
        """Let a member sign in no more; the last supervisor stays."""


class Staff(Protocol):
    """Who works here."""

    async def names(self) -> tuple[str, ...]:
        """Return under which names staff sign in."""

    async def check_pin(self, name: str, pin: str, peer: str = "") -> Role | PinWrong | PinWaits:
        """Return the role of who has this name and PIN; wrong ones are counted.

        peer: where on the network it was entered, empty for the appliance's own screen: counted apart.
        """
