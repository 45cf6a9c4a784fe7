"""Who may sign in during a support session: the keys that the appliance's own file names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]{0,100})?")


def support_keys(config: Path) -> tuple[str, ...]:
    """Return the public keys of `[support]`, none where the site has not agreed or the file cannot be read.

    A line that is no key is left out: in the file of keys it could say anything.
    """
    try:
        support = tomllib.loads(config.read_text())["support"]
        keys = support["keys"] if support["session"] is True else ()
        return tuple(key for key in keys if isinstance(key, str) and _KEY.fullmatch(key))
    except (OSError, ValueError, KeyError, TypeError):
        return ()
