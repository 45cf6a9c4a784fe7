"""Draws all pictograms on one sheet, large and at 32 px: ``python -m tests.browser.pictogram_sheet``."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import async_playwright

from firmware.page.drawing import FOLDER
from firmware.page.pictograms import MIRRORED, symbol

SHEET = Path("docs/screens/pictograms.png")
STYLE = """
body { margin: 8px; font: 11px "Noto Sans", "DejaVu Sans", sans-serif; color: #15222c; background: #fff; }
main { display: grid; grid-template-columns: repeat(9, 1fr); gap: 8px 4px; text-align: center; }
svg { fill: none; stroke: currentColor; stroke-width: 3; stroke-linecap: round; stroke-linejoin: round; }
"""


async def draw() -> bytes:
    """Return the sheet as a PNG of 16 greys."""
    sprite = (FOLDER / "static" / "pictograms.svg").read_text()
    flipping = {symbol(name) for name in MIRRORED}
    cells = "".join(
        f'<div><svg width="60" height="60" viewBox="0 0 48 48"><use href="#{name}"/></svg>'
        f'<svg width="32" height="32" viewBox="0 0 48 48"><use href="#{name}"/></svg>'
        f"<br>{name.replace('-', ' ')}{' ⇄' if name in flipping else ''}</div>"
        for name in re.findall(r'<symbol id="([^"]+)"', sprite)
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = await browser.new_page(viewport={"width": 1060, "height": 100})
        hidden = sprite.replace("<svg ", '<svg style="display: none" ', 1)
        await page.set_content(f"<!doctype html><style>{STYLE}</style>{hidden}<main>{cells}</main>")
        png = await page.screenshot(full_page=True)
        await browser.close()
    grey = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    _, packed = cv2.imencode(".png", grey // np.uint8(16) * np.uint8(17), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return packed.tobytes()


if __name__ == "__main__":
    SHEET.write_bytes(asyncio.run(draw()))
