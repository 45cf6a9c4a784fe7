"""What `aidpost doctor` says of the operator page and the data policy: their files and ports, before use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from firmware.commands.finding import Finding
from firmware.config import Config, ConfigError, Page
from firmware.notices.reading import read_notices
from firmware.opening import store_settings
from firmware.page.opening import tablet_context
from firmware.page.recordings import Recordings
from firmware.policy import PolicyRefused
from firmware.retention import read_policy
from firmware.store.lock import holder
from firmware.store.store import lock_of
from trust.tls.address import Address


def examine_policy(config: Config) -> Finding:
    """Read the data policy as the appliance does at its start."""
    try:
        found = read_policy(config)
    except PolicyRefused as error:
        return Finding("data policy", "", "", False, str(error))
    if found is None:
        return Finding("data policy", "none: nobody is erased by age", "", None)
    policy, days = found
    return Finding("data policy", f"edition {policy.edition}, entries are kept {days} days", "", True)


def examine_page(config: Config) -> Iterator[Finding]:
    """Read what the page is served with, and try its ports; the appliance itself may be running."""
    settings = config.page
    if settings is None:
        yield Finding("page", "not fitted", "", None)
        return
    served = holder(lock_of(store_settings(config).path)) is not None
    for name, address in (("touch", settings.touch_address()), ("tablet", settings.tablet_address())):
        if address is not None:
            yield _port(f"page {name}", address, served=served)
    try:
        _read_files(settings)
    except ConfigError as error:
        yield Finding("page files", "", "", False, str(error))
        return
    yield Finding("page files", f"notices in {', '.join(settings.languages)}", "", True)


def _read_files(settings: Page) -> None:
    read_notices(settings)
    Recordings(settings.recordings)
    if settings.certificate is not None and settings.key is not None:
        tablet_context(settings.certificate, settings.key)
    if settings.lists is not None and not settings.lists.is_dir():
        raise ConfigError(f"[page] lists: there is no folder {settings.lists}: make it, or name another")


def _port(part: str, address: Address, *, served: bool) -> Finding:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        if served:
            return Finding(part, f"{address}, the appliance runs and serves it", "", True)
        why = os.strerror(error.errno or 0)
        advice = f"cannot be listened on ({why}): stop the program that uses it, or name another"
        return Finding(part, str(address), "", False, advice)
    return Finding(part, f"{address} is free", "", True)
