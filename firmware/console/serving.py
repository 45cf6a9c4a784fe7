"""The status of an appliance that serves, kept on the console that its configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from firmware.appliance import Appliance
from firmware.beside import Beside
from firmware.machine.remarks import left

if TYPE_CHECKING:
    from firmware.console.status import Standing
    from firmware.page.opening import OperatorPage


@asynccontextmanager
async def told_on_console(appliance: Appliance, page: OperatorPage | None) -> AsyncIterator[None]:
    """Say how it stands until the end; nothing where no console is named, or none is there."""
    config = appliance.config
    if config.console is None:
        yield
        return
    # Imported here: translations cost what an appliance without a console must not pay.
    from firmware.console.display import open_display
    from firmware.console.status import keep_status, view_of

    display = open_display(config.console.device)
    if display is None:
        yield
        return
    tag = display.language(("en",) if config.page is None else config.page.languages)
    async with AsyncExitStack() as stack:
        stack.callback(display.close)
        display.show(view_of(standing_of(appliance, page)), tag)
        keeping = keep_status(display, lambda: standing_of(appliance, page), tag)
        Beside(stack).run("console", keeping)
        yield


def standing_of(appliance: Appliance, page: OperatorPage | None) -> Standing:
    """Return how it stands now."""
    from firmware.console.addresses import reached_at
    from firmware.console.status import Standing

    device, link, settings = appliance.config.device, appliance.link, appliance.config.page
    tablets = None
    if page is not None and settings is not None and (listens := settings.tablet_address()) is not None:
        tablets = reached_at(listens)
    return Standing(
        device.id,
        device.site,
        connected=None if link.uplink is None else link.connected,
        tablets=tablets,
        certificate="" if page is None else page.fingerprint,
        notices=tuple(sorted(appliance.notices.items())),
        remarks=left(),
    )
