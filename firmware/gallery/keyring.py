"""What this appliance opens and seals with: the gallery's keys, as rosters bring them."""

from __future__ import annotations

from collections.abc import Mapping

from trust.gallery.errors import RosterForked, RosterRefused
from trust.gallery.opening import ApplianceKeys
from trust.gallery.roster import KEY_BYTES, SECRET_BYTES, Member, Roster, wrap_context
from trust.keys.secret import SecretKey


class Keyring:
    """The keys of the epochs that this appliance was a member in; close it at the end."""

    def __init__(self, keys: ApplianceKeys, device_id: str) -> None:
        self._keys = keys
        self._device_id = device_id
        self._by_epoch: dict[int, SecretKey] = {}

    def member(self, roster: Roster) -> Member | None:
        """Return this appliance in a roster; None where it is not, or with a former card alone."""
        member = roster.member_of(self._device_id)
        return member if member is not None and member.author_key == self._keys.author_public else None

    def take(self, rosters: Mapping[int, Roster]) -> None:
        """Open the keys of these epochs, and drop all others. Raises RosterRefused."""
        for epoch in set(self._by_epoch) - set(rosters):
            self._by_epoch.pop(epoch).close()
        for epoch, roster in rosters.items():
            member = self.member(roster)
            if member is not None and epoch not in self._by_epoch:
                self._by_epoch[epoch] = self._opened(roster, member)

    def key(self, epoch: int) -> SecretKey | None:
        """Return an epoch's key, None where this appliance has none; it stays the ring's."""
        return self._by_epoch.get(epoch)

    def close(self) -> None:
        """Overwrite the keys."""
        self.take({})

    def _opened(self, roster: Roster, member: Member) -> SecretKey:
        context = wrap_context(roster.gallery_id, roster.epoch, member.device_id, member.author_key)
        with self._keys.unwrap(member.wrapped, context) as secret, secret.view() as view:
            if len(secret) != SECRET_BYTES:
                raise RosterRefused("what was wrapped for this appliance is no gallery's key")
            return SecretKey.taken_from(bytearray(view[:KEY_BYTES]))


def checked_roster(data: bytes, *, custodian: str, site: str, purpose: str, known: Roster | None) -> Roster:
    """Return a roster that is by this appliance's custodian, for its gallery, and goes on from `known`.

    known: the newest one so far. Raises RosterRefused.
    """
    roster = Roster.parse(data)
    if roster.custodian_words != custodian:
        raise RosterRefused(
            f"the roster is by the custodian {roster.custodian_words}, not by the one in `gallery."
            "custodian`: nothing of it is used"
        )
    if (roster.site, roster.purpose.value) != (site, purpose):
        raise RosterRefused(f"the roster is for {roster.purpose.value} at {roster.site}, not for this one")
    if known is None:
        return roster
    if roster.gallery_id != known.gallery_id:
        raise RosterRefused("the roster is of another gallery than the one that this appliance holds")
    if roster.edition < known.edition or roster.digest == known.digest:
        raise RosterRefused(f"roster {roster.edition} came after roster {known.edition}: a rollback")
    if not roster.follows(known):
        raise RosterForked(
            f"roster {roster.edition} does not go on from roster {known.edition} that is held here: somebody "
            "made it from an older copy of the custodian's key set. Ask the custodian; whoever was taken out "
            "since that copy would be let in by it"
        )
    if roster.epoch < known.epoch:
        raise RosterRefused("the roster goes back to a former key")
    return roster


def former_roster(data: bytes, newest: Roster) -> Roster:
    """Return a roster from before `newest`, which names it. Raises RosterRefused."""
    roster = Roster.parse(data)
    if not newest.follows(roster) or roster.gallery_id != newest.gallery_id:
        raise RosterRefused(f"roster {roster.edition} is none of those that roster {newest.edition} names")
    return roster
