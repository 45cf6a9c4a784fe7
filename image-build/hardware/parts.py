"""The bill of materials, with prices to plan with."""

from __future__ import annotations

from dataclasses import dataclass, field

from hardware.wiring import BOARDS


@dataclass(frozen=True, slots=True)
class Part:
    """usd: typical price of one, without tax and postage. source: whose price. boards: those that need it."""

    name: str
    usd: float
    source: str
    count: int = 1
    boards: tuple[str, ...] = field(default=tuple(BOARDS))
    optional: bool = False


_PI, _SHOP, _MAKER = "list price of Raspberry Pi", "electronics distributors", "its maker's shop"
PARTS = (
    Part("Raspberry Pi 4 Model B, 2 GB", 55, _PI, boards=("Pi 4",)),
    Part("Raspberry Pi 5, 2 GB", 65, _PI, boards=("Pi 5",)),
    Part("Raspberry Pi Zero 2 WH (with header), 512 MB", 18, _PI, boards=("Zero 2 W",)),
    Part("Camera Module 3, standard lens", 25, _PI),
    Part("Camera cable, 15 to 22 contacts, 200 mm", 3, _PI, boards=("Pi 5", "Zero 2 W")),
    Part(
        "R503 fingerprint reader with its six-wire cable (MX1.0)", 20, "makers' shops (Adafruit product 4651)"
    ),
    Part("microSD card 32 GB, industrial (pSLC or high endurance)", 20, _SHOP),
    Part("RGB LED 5 mm, common cathode, diffuse, with holder", 1, _SHOP),
    Part("Piezo buzzer without oscillator, 3 V, for panels", 2, _SHOP),
    Part("Push button 16 mm, normally open, IP65", 3, _SHOP, count=4),
    Part("Microswitch with lever (tamper)", 2, _SHOP),
    Part("Resistors 220 Ω, 2 × 68 Ω, 100 Ω, wire, crimp contacts, housings", 6, _SHOP),
    Part("UPS hat for one 21700 cell (Waveshare UPS HAT (D))", 24, _MAKER, boards=("Zero 2 W",)),
    Part("UPS hat for four 21700 cells (Waveshare UPS HAT (E))", 38, _MAKER, boards=("Pi 4", "Pi 5")),
    Part("Li-ion cell 21700, 5,000 mAh, of a known maker", 6, _SHOP, boards=("Zero 2 W",)),
    Part("Li-ion cells 21700, 5,000 mAh, of a known maker", 6, _SHOP, count=4, boards=("Pi 4", "Pi 5")),
    Part("USB-C supply 5 V 3 A for the hat", 8, _PI, boards=("Zero 2 W",)),
    Part("USB-C supply 27 W (power delivery) for the hat", 12, _PI, boards=("Pi 4", "Pi 5")),
    Part("Heat spreader with thermal pad to the enclosure", 6, _SHOP, boards=("Pi 4", "Pi 5")),
    Part("Enclosure ABS or aluminium, IP65, about 200 × 120 × 75 mm, with cable glands", 25, _SHOP),
    Part("Membrane vent M12 against condensation", 4, _SHOP),
    Part(
        "TPM 2.0 module on SPI (Infineon SLB 9670 or 9672)", 25, _SHOP, boards=("Pi 4", "Pi 5"), optional=True
    ),
    Part("Coin cell for the clock of the Pi 5 (its own connector)", 5, _PI, boards=("Pi 5",), optional=True),
    Part("LTE stick, USB", 40, _SHOP, optional=True),
    Part("Screen 7 inch, HDMI or DSI; a tablet on the site's Wi-Fi serves as well", 60, _PI, optional=True),
)


def total_usd(board: str) -> float:
    """Return what one appliance costs on `board`, without what is optional."""
    return sum(part.usd * part.count for part in PARTS if board in part.boards and not part.optional)


def table() -> str:
    """Return the bill of materials as Markdown, a column for each board."""
    rows = "".join(_row(part) for part in PARTS)
    totals = " | ".join(f"**{total_usd(board):.0f}**" for board in BOARDS)
    head = f"| Part | Each, USD | Source | {' | '.join(BOARDS)} |\n|---|---|---|{'---|' * len(BOARDS)}\n"
    return f"{head}{rows}| **Together, USD, without what is optional** | | | {totals} |\n"


def _row(part: Part) -> str:
    name = f"{part.name} (optional)" if part.optional else part.name
    counts = " | ".join(str(part.count) if board in part.boards else "–" for board in BOARDS)
    return f"| {name} | {part.usd:.0f} | {part.source} | {counts} |\n"
