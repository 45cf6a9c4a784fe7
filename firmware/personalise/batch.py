"""Which appliances are to be, and what each is told: a common file, options and a list over each other."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from trust.claim import Claim
from trust.claim_file import FORMAT, LEAST_PIN_DIGITS, ClaimFile, ClaimFileRefused, in_utc, is_row
from trust.keys.guard import GuardKind
from trust.toml_text import Tables, merged

MOST_DEVICES = 1000
# It has no library for a TPM, and nobody whom it could ask for a PIN when it starts.
GUARDS_OF_THE_IMAGE = (GuardKind.OTP, GuardKind.FILE)
"""In one batch: as many as may wait for approval at the aggregator."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "device": ("device", "id"),
    "site": ("device", "site"),
    "purpose": ("device", "purpose"),
    "supervisor": ("supervisor", "name"),
    "pin": ("supervisor", "pin"),
    "wireguard_private_key": ("network", "wireguard", "private_key"),
    "wireguard_address": ("network", "wireguard", "address"),
}
"""Of a list, and where each belongs in the claim file."""


class BatchRefused(ValueError):
    """The batch cannot be made as it is meant; the message says why and what to do."""


def read_list(text: str) -> list[Tables]:
    """Return what a CSV file says of each appliance. Raises BatchRefused."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        columns = rows.fieldnames or ()
        if "device" not in columns or len(set(columns)) < len(columns):
            raise BatchRefused(f"the list's first line names its columns: device, and of {_others()}")
        if unknown := [column for column in columns if column not in COLUMNS]:
            raise BatchRefused(f"the list has no column {unknown[0]!r}: device, and of {_others()}")
        return [_tables(row) for row in rows]
    except csv.Error as error:
        raise BatchRefused(f"the list is no CSV file: {error}") from error


def numbered(prefix: str, first: int, count: int) -> list[Tables]:
    """Return so many appliances with names in a row: kit-01, kit-02."""
    digits = max(2, len(str(first + count - 1)))
    return [{"device": {"id": f"{prefix}{number:0{digits}}"}} for number in range(first, first + count)]


def checked(common: Tables, each: Sequence[Tables], *, for_image: bool = True) -> list[Tables]:
    """Return the tables of each appliance without its code, once all of them are known to be good.

    common: of all; a supervisor without a PIN gets a random one at each appliance. for_image: they have to be
    what the image can do. Raises BatchRefused.
    """
    if not 0 < len(each) <= MOST_DEVICES:
        raise BatchRefused(f"a batch has 1 to {MOST_DEVICES} appliances, and this one has {len(each)}")
    now, seen = datetime.now(UTC), set[str]()
    made = []
    for own in each:
        tables = merged(common, own)
        supervisor = tables.get("supervisor")
        if isinstance(supervisor, dict):
            tables["supervisor"] = {"pin": _random_pin(), **supervisor}
        try:
            claim = with_code(tables, Claim.new(bytes(32)).text(), now, timedelta(days=1))
        except ClaimFileRefused as error:
            raise BatchRefused(f"{own.get('device', {}).get('id', 'an appliance')}: {error}") from error
        if for_image and claim.keys.guard not in GUARDS_OF_THE_IMAGE:
            raise BatchRefused(
                f"{claim.device.id}: the image cannot use the guard {claim.keys.guard.value}: "
                "take --guard otp, the fuses of its Raspberry Pi (docs/keys.md), or say --without-image for "
                "computers that are set up by hand"
            )
        if claim.device.id.lower() in seen:
            raise BatchRefused(f"{claim.device.id} is there twice: each appliance has a name of its own")
        seen.add(claim.device.id.lower())
        made.append(tables)
    return made


def with_code(tables: Tables, code: str, made: datetime, life: timedelta) -> ClaimFile:
    """Return the claim of one appliance. Raises ClaimFileRefused."""
    own = {"code": code, "made": in_utc(made), "expires": in_utc(made + life)}
    return ClaimFile.of(merged({"format": FORMAT}, merged(tables, {"aggregator": own})))


def needs_modem_manager(claims: Sequence[ClaimFile]) -> str:
    """Return what to know of an image that these claims go to, nothing where none names a mobile network."""
    named = [claim.device.id for claim in claims if claim.network.cellular is not None]
    if not named:
        return ""
    return (
        f"The claim of {_first_of(named)} names a mobile network: an image connects to it only if it was "
        "built with ModemManager (docs/image.md). A modem that is a network card by itself needs no "
        "[network.cellular]."
    )


def needs_tablets(claims: Sequence[ClaimFile]) -> str:
    """Return what to know of claims whose page nobody sees at an image, nothing for all others."""
    unseen = [claim for claim in claims if claim.hardware.screen and not claim.hardware.tablets]
    if not unseen:
        return ""
    waits = "" if all(claim.supervisor for claim in unseen) else ", and none to enter a supervisor on"
    named = _first_of([claim.device.id for claim in unseen])
    return (
        f"The claim of {named} has no tablets: an image has no browser to show the page on its own screen"
        f"{waits}. Say tablets = true under [hardware], or screen = false where people are served by the "
        "buttons alone."
    )


def _first_of(named: Sequence[str]) -> str:
    return named[0] if len(named) == 1 else f"{named[0]} and {len(named) - 1} more"


def _random_pin() -> str:
    while is_row(pin := f"{secrets.randbelow(10**LEAST_PIN_DIGITS):0{LEAST_PIN_DIGITS}}"):
        pass
    return pin


def _tables(row: Mapping[str | None, Any]) -> Tables:
    tables: Tables = {}
    for place, value in _places(row):
        table = tables
        for name in place[:-1]:
            table = table.setdefault(name, {})
        table[place[-1]] = value
    return tables


def _places(row: Mapping[str | None, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if None in row:
        raise BatchRefused(f"the list has more cells than columns in the line of {row.get('device')!r}")
    for column, cell in row.items():
        text = (cell or "").strip()
        if text and column is not None:
            yield COLUMNS[column], [text] if column == "wireguard_address" else text


def _others() -> str:
    return ", ".join(column for column in COLUMNS if column != "device")
