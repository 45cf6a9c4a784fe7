"""What the mesh needs of the store: the ledger of the cycle, as `store.ledger` keeps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from firmware.mesh.ledger import Answer, Claim, Collection, Verdict
from firmware.mesh.owners import ranking, roster_digest
from firmware.records import Moment
from trust.lists.terms import household_digest

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class SiteCycle:
    """The list that the appliances of a site share. key: of its households' digests, 32 bytes."""

    cycle: str
    roster: tuple[str, ...]
    key: bytes

    def __repr__(self) -> str:
        return f"SiteCycle({self.cycle!r}, {self.roster!r})"

    @property
    def digest(self) -> bytes:
        """What two appliances compare to know that they mean the same."""
        return roster_digest(self.cycle, self.roster)

    def household(self, number: str) -> bytes:
        """Return the digest of a household's number, all of it that leaves this appliance."""
        return household_digest(self.key, number)

    def ranking(self, household: bytes) -> tuple[str, ...]:
        """Return who answers for a household, its owner first."""
        return ranking(self.cycle, household, self.roster)


class Book(Protocol):
    """Claims and collections of the cycle that is loaded, by the digests of households.

    Used in the store's thread; every change is one transaction. Raises StoreError kinds.
    """

    def site_cycle(self) -> SiteCycle | None:
        """Return what of the loaded list the appliances of the site share; None without a distribution."""

    def known(self, household: bytes) -> Collection | None:
        """Return the collection of a household, as far as it is known here."""

    def claim(self, household: bytes, asked: Claim, now: Moment) -> Answer:
        """Grant a claim, or say why not."""

    def release(self, household: bytes, claim_id: bytes) -> None:
        """Give a claim back."""

    def hear(self, collections: Sequence[Collection], now: Moment) -> list[Verdict]:
        """Take down what another appliance reports; a new conflict is an event if it is owned here."""

    def waiting(self, device: str, limit: int) -> list[Collection]:
        """Return collections here that another appliance must still be told of, in their order."""

    def told(self, device: str, record_ids: Sequence[bytes]) -> None:
        """Note that another appliance holds these."""

    def unconfirmed(self) -> int:
        """Return how many households collected here without their owner's knowing: each may collect again."""


class InBook(Protocol):
    """Runs a function with the book, in the store's thread, and returns its result."""

    async def __call__(self, work: Callable[[Book], ResultT], /) -> ResultT:
        """Return what `work` returns; raise what it raises."""
