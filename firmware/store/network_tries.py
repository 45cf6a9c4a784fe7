"""Wrong PINs that come over the network: counted by name and address, apart from those at the appliance.

One count for all would let any device on the site's network keep a member of staff out. Here an address waits
for itself, as at the appliance: five tries, then 30 s, doubled up to an hour. Somebody with many addresses is
bound by a count for each name over all of them, which an address from where the right PIN came last is not
subject to: whoever sprays PINs keeps out no tablet that staff use. A PIN of six digits is so tried from the
network 100 times at once and then at most 2,880 times a day, 0.3 % of a million.
"""

from __future__ import annotations

import msgspec

from firmware.clock import surely_passed_s
from firmware.guard.pin import FIRST_WAIT_S, FREE_TRIES, LONGEST_WAIT_S
from firmware.records import Attempts, Moment
from firmware.store.journal import Journal
from firmware.workflow.outcomes import PinWaits

FREE_TRIES_OF_ALL = 100
WAIT_OF_ALL_S = 30.0
MOST_PEERS = 256
"""Addresses remembered for a name; of more the count over all is the bound."""
_ALL = "*"


def wait_s(attempts: Attempts, now: Moment) -> float:
    """Return seconds until the next try: none for the first five, then doubled with each further one."""
    over = attempts.failed_in_a_row - FREE_TRIES
    if over < 0 or attempts.last is None:
        return 0.0
    delay_s = min(FIRST_WAIT_S * 2.0 ** min(over, 32), LONGEST_WAIT_S)
    return max(0.0, delay_s - surely_passed_s(attempts.last, now))


class NetworkTries:
    """The table of tries over the network; used inside a transaction of the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def count(self, name: str, peer: str, now: Moment) -> Attempts | PinWaits:
        """Count a try before it is made. name: as the table of staff has it, empty where nobody has it."""
        noted, of_all = self._noted(name, peer), self._noted(name, _ALL) or Attempts()
        own = noted or Attempts()
        is_trusted = noted is not None and not noted.failed_in_a_row
        wait = wait_s(own, now)
        if not is_trusted and of_all.failed_in_a_row >= FREE_TRIES_OF_ALL and of_all.last is not None:
            wait = max(wait, WAIT_OF_ALL_S - surely_passed_s(of_all.last, now))
        if wait > 0:
            return PinWaits(wait)
        own = Attempts(own.failed_in_a_row + 1, now)
        self._keep(name, peer, own)
        self._keep(name, _ALL, Attempts(of_all.failed_in_a_row + 1, now))
        self._journal.database.execute(
            """DELETE FROM network_tries WHERE name = ?1 AND peer != ?2 AND number NOT IN (
                 SELECT number FROM network_tries WHERE name = ?1 AND peer != ?2
                 ORDER BY attempts = x'' DESC, number DESC LIMIT ?3)""",
            (name, _ALL, MOST_PEERS),
        )
        return own

    def right(self, name: str, peer: str) -> None:
        """The right PIN came from there."""
        self._keep(name, peer, Attempts())
        self._keep(name, _ALL, Attempts())

    def forget(self, name: str) -> None:
        """Forget all tries under a name."""
        self._journal.database.execute("DELETE FROM network_tries WHERE name = ?", (name,))

    def _noted(self, name: str, peer: str) -> Attempts | None:
        row = self._journal.database.execute(
            "SELECT attempts FROM network_tries WHERE name = ? AND peer = ?", (name, peer)
        ).fetchone()
        if row is None:
            return None
        return msgspec.msgpack.decode(row[0], type=Attempts) if row[0] else Attempts()

    def _keep(self, name: str, peer: str, attempts: Attempts) -> None:
        data = msgspec.msgpack.encode(attempts) if attempts.failed_in_a_row else b""
        self._journal.database.execute(
            """INSERT INTO network_tries (name, peer, attempts) VALUES (?, ?, ?)
               ON CONFLICT (name, peer) DO UPDATE SET attempts = excluded.attempts""",
            (name, peer, data),
        )
