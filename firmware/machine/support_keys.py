"""Who may sign in during a support session: keys of the appliance's own file and of the one on the card."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]{0,100})?")


def support_keys(config: Path, card: Path) -> tuple[str, ...]:
    """Return the public keys, none where the site has not agreed.

    config: the appliance's file, with a table `support`. card: what the site put on the card. A line that is
    no key is left out: in the file of keys it could say anything.
    """
    own, site = _tables(config).get("support", {}), _tables(card)
    tables = [table for table in (own, site) if isinstance(table, dict)]
    if not any(table.get("session") is True for table in tables):
        return ()
    keys = [key for table in tables for key in table.get("keys", ()) if isinstance(key, str)]
    return tuple(dict.fromkeys(key for key in keys if _KEY.fullmatch(key)))


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
