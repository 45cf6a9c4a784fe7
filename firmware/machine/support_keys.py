"""Who may sign in during a support session: the keys that the site put on its card, and no others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]{0,100})?")


def support_keys(card: Path) -> tuple[str, ...]:
    """Return the public keys, none where the site has not agreed.

    card: root's copy of what the site put on the card. The appliance's own file has no say here: it is
    written by the service that talks to everybody. A line that is no key is left out: in the file of keys it
    could say anything.
    """
    try:
        site = tomllib.loads(card.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return ()
    keys = site.get("keys")
    if site.get("session") is not True or not isinstance(keys, list):
        return ()
    found = (key for key in keys if isinstance(key, str) and _KEY.fullmatch(key))
    return tuple(dict.fromkeys(found))
