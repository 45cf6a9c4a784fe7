"""Reads the notices that a site's page shows, before anybody is asked anything."""

from __future__ import annotations

from firmware.config import ConfigError, Page
from firmware.notices import Notices
from firmware.workflow.notice import NOTICE_VERSION


def read_notices(settings: Page | None) -> Notices:
    """Return the notices, all read: nobody is asked in a language in which there is nothing to answer to.

    Raises ConfigError.
    """
    notices = Notices(settings.notices if settings is not None else None)
    for tag in settings.languages if settings is not None else ():
        try:
            notices.find(NOTICE_VERSION, tag)
        except ValueError as error:
            raise ConfigError(f"[page] notices: {error}") from error
    return notices
