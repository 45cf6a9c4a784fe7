"""A real identity provider, oidc-provider-mock on Authlib, in a process of its own on a free port."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_LISTENS = re.compile(rb"http://127\.0\.0\.1:\d+")


@contextmanager
def openid_provider(groups: Mapping[str, list[str]]) -> Iterator[str]:
    """Run a provider and yield its issuer; groups: of each person that it knows, by name."""
    users = [
        f"--user-claims={json.dumps({'sub': name, 'preferred_username': name, 'groups': held})}"
        for name, held in groups.items()
    ]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port=0", *users],
        env={**os.environ, "NO_COLOR": "1"},
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        try:
            said = b""
            while (found := _LISTENS.search(said)) is None:
                said = process.stderr.readline()
                assert said, "the provider ended before it listened"
            yield found[0].decode()
        finally:
            process.terminate()
            process.communicate()
