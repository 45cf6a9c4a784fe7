"""One browser for all tests here: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, Request, async_playwright, expect

NewPage: TypeAlias = Callable[..., Awaitable[Page]]
PATIENCE_MS = 30_000  # nothing takes as long unless it is broken, however busy the machine
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where chromium is; a test that needs it skips without it, but fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "needs chromium: apt-get install chromium (image-build/host-packages.sh does it as root)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright(chromium: str) -> AsyncIterator[Playwright]:
    """The driver."""
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright, chromium: str) -> AsyncIterator[Browser]:
    """The browser."""
    launched = await playwright.chromium.launch(executable_path=chromium, args=["--mute-audio"])
    yield launched
    await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser) -> AsyncIterator[NewPage]:
    """Opens pages, each in a browser of its own as far as cookies go; whatever leaves the origin fails."""
    contexts, strayed = [], []

    def stay(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "https://127.0.0.1:")):
            strayed.append(request.url)

    async def open_page(width: int = 800, height: int = 480, *, scripts: bool = True) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            java_script_enabled=scripts,
            ignore_https_errors=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.on("request", stay)  # not a route: each request would wait for this process
        page = await context.new_page()
        page.on("pageerror", lambda error: strayed.append(f"script error: {error}"))
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert not strayed
