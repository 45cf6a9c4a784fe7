"""The wiring and the blocks, drawn with schemdraw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import schemdraw
from schemdraw import elements, flow

from hardware.wiring import (
    BUZZER_OHMS,
    GROUND,
    I2C_SCL,
    I2C_SDA,
    LAMP_OHMS,
    SUPPLY_3V3,
    SUPPLY_5V,
    UART_RXD,
    UART_TXD,
    physical,
)
from sensors.board.settings import BoardPins

elm: Any = elements  # some of them have no types
schemdraw.use("svg")
schemdraw.svgconfig.text = "text"  # as text, which can be searched and read aloud

_FONT, _FONT_SIZE = "sans-serif", 12
_READER_WIRES = {
    "red": ("VCC", SUPPLY_3V3["reader"], "3.3 V"),
    "white": ("VT", SUPPLY_3V3["touch"], "3.3 V"),
    "black": ("GND", GROUND["reader"], "GND"),
    "yellow": ("TXD", physical(UART_RXD), f"GPIO{UART_RXD} RXD"),
    "brown": ("RXD", physical(UART_TXD), f"GPIO{UART_TXD} TXD"),
}
_HAT_WIRES = {
    "5 V": (SUPPLY_5V[0], "5 V"),
    "5 V ": (SUPPLY_5V[1], "5 V"),
    "GND": (GROUND["hat"], "GND"),
    "SDA": (physical(I2C_SDA), f"GPIO{I2C_SDA} SDA"),
    "SCL": (physical(I2C_SCL), f"GPIO{I2C_SCL} SCL"),
}
_PITCH = 1.2  # between two pins, in schemdraw's units
_GROUND_AT = 7.0  # where the ground lines of the right side run, from the header


def draw_all(pins: BoardPins, folder: Path) -> None:
    """Write both drawings as SVG."""
    _wiring(pins).save(str(folder / "wiring.svg"))
    _blocks().save(str(folder / "hardware-blocks.svg"))


def _drawing() -> Any:
    drawing = schemdraw.Drawing(show=False, font=_FONT, fontsize=_FONT_SIZE)
    drawing.config(bgcolor="white", margin=0.2)
    return drawing


def _wiring(pins: BoardPins) -> Any:
    right = [
        *((name, getattr(pins, name)) for name in LAMP_OHMS),
        ("lamp", None),
        ("buzzer", pins.buzzer),
        ("buzzer ground", None),
        *((name, getattr(pins, name)) for name in ("ok", "again", "help", "language")),
        ("buttons", None),
        ("tamper", pins.tamper),
        ("tamper ground", None),
    ]
    with _drawing() as drawing:
        header = elm.Ic(
            pins=[*_left_pins(len(right)), *(_right_pin(name, bcm) for name, bcm in reversed(right))],
            size=(5.2, _PITCH * (len(right) + 0.5)),
            pinspacing=_PITCH,
            leadlen=0.6,
        ).label("40-pin header of the Pi 4, 5 and Zero 2 W", "top", fontsize=_FONT_SIZE)
        drawing += header
        _draw_reader(drawing, header)
        _draw_hat(drawing, header)
        _draw_lamp(drawing, header)
        _draw_buzzer(drawing, header)
        _draw_switches(drawing, header, "buttons", ("ok", "again", "help", "language"))
        _draw_switches(drawing, header, "tamper ground", ("tamper",))
    return drawing


def _left_pins(slots: int) -> list[Any]:
    """Return the pins of the reader at the top and those of the hat at the bottom; slot 1 is the lowest."""
    reader = [
        elm.IcPin(
            name=name,
            pin=str(number),
            side="left",
            anchorname=f"reader {colour}",
            slot=f"{slots - nth}/{slots}",
        )
        for nth, (colour, (_, number, name)) in enumerate(_READER_WIRES.items())
    ]
    hat = [
        elm.IcPin(name=name, pin=str(number), side="left", anchorname=f"hat {contact}", slot=f"{nth}/{slots}")
        for nth, (contact, (number, name)) in enumerate(reversed(_HAT_WIRES.items()), 1)
    ]
    return [*reader, *hat]


def _right_pin(name: str, bcm: int | None) -> Any:
    key = name.removesuffix(" ground")
    number, label = (GROUND[key], "GND") if bcm is None else (physical(bcm), f"GPIO{bcm}")
    return elm.IcPin(name=label, pin=str(number), side="right", anchorname=name)


def _draw_reader(drawing: Any, header: Any) -> None:
    contacts = [
        elm.IcPin(name=contact, side="right", anchorname=colour)
        for colour, (contact, _, _) in reversed(_READER_WIRES.items())
    ]
    reader = elm.Ic(
        pins=[elm.IcPin(name="WAKEUP", side="right", anchorname="blue"), *contacts],
        size=(4.2, _PITCH * 6.5), pinspacing=_PITCH, leadlen=0.6,
    ).label("R503\nfingerprint\nreader", "center", ofst=(-0.7, 0), fontsize=_FONT_SIZE)  # fmt: skip
    top = getattr(header, "reader red")
    drawing += reader.at((top[0] - 3.0, top[1])).anchor("red")
    for colour in _READER_WIRES:
        wire = elm.Line().at(getattr(reader, colour)).to(getattr(header, f"reader {colour}"))
        drawing += wire.label(colour, fontsize=_FONT_SIZE - 2)
    drawing += elm.Dot(open=True).at(reader.blue).label("blue: free", "right", fontsize=_FONT_SIZE - 2)


def _draw_hat(drawing: Any, header: Any) -> None:
    hat = elm.Ic(
        pins=[
            elm.IcPin(name=contact.strip(), side="right", anchorname=contact)
            for contact in reversed(_HAT_WIRES)
        ],
        size=(4.2, _PITCH * 5.5), pinspacing=_PITCH, leadlen=0.6,
    ).label("UPS hat,\nunder the\nboard", "center", ofst=(-0.7, 0), fontsize=_FONT_SIZE)  # fmt: skip
    top = getattr(header, "hat 5 V")
    drawing += hat.at((top[0] - 3.0, top[1])).anchor("5 V")
    for contact in _HAT_WIRES:
        drawing += elm.Line().at(getattr(hat, contact)).to(getattr(header, f"hat {contact}"))


def _draw_lamp(drawing: Any, header: Any) -> None:
    ground = header.lamp
    corner = (ground[0] + _GROUND_AT, ground[1])
    for name, ohms in LAMP_OHMS.items():
        start = getattr(header, name)
        resistor = elm.Resistor().right().at(start).length(2.4).label(f"{ohms} Ω", fontsize=_FONT_SIZE - 2)
        drawing += resistor
        drawing += elm.Line().right().length(1.2).label(name.removeprefix("lamp_"), fontsize=_FONT_SIZE - 2)
        drawing += elm.LED().right().to((corner[0], start[1]))
        drawing += elm.Line().down().to((corner[0], start[1] - _PITCH))
    drawing += (
        elm.Line().at(corner).to(ground).label("lamp: RGB, common cathode", "bottom", fontsize=_FONT_SIZE - 2)
    )


def _draw_buzzer(drawing: Any, header: Any) -> None:
    start, ground = header.buzzer, getattr(header, "buzzer ground")
    corner = (ground[0] + _GROUND_AT, ground[1])
    drawing += elm.Resistor().right().at(start).length(2.4).label(f"{BUZZER_OHMS} Ω", fontsize=_FONT_SIZE - 2)
    drawing += elm.Line().right().length(1.6).label("piezo buzzer", fontsize=_FONT_SIZE - 2)
    drawing += elm.RBox().right().to((corner[0], start[1]))
    drawing += elm.Line().down().to(corner)
    drawing += elm.Line().to(ground)


def _draw_switches(drawing: Any, header: Any, ground_name: str, names: tuple[str, ...]) -> None:
    ground = getattr(header, ground_name)
    corner = (ground[0] + _GROUND_AT, ground[1])
    for name in names:
        start = getattr(header, name)
        is_tamper = name == "tamper"
        text = "tamper, pressed by the lid" if is_tamper else f"button {name.upper()}"
        drawing += elm.Line().right().at(start).length(4.0).label(text, fontsize=_FONT_SIZE - 2)
        drawing += elm.Button().right().to((corner[0], start[1]))
        drawing += elm.Line().down().to((corner[0], start[1] - _PITCH))
    drawing += elm.Line().at(corner).to(ground)


def _blocks() -> Any:
    size: dict[str, Any] = {"w": 4.4, "h": 1.5}
    with _drawing() as drawing:
        board = flow.Box(w=5.2, h=4.6).label("Raspberry Pi\n4, 5 or Zero 2 W,\nimage on\na microSD card")
        drawing += board
        left = {
            "R503 fingerprint reader": ("UART, 3.3 V", 1.7, "<->"),
            "Camera Module 3": ("CSI ribbon cable", 0.0, "<->"),
            "four buttons,\ntamper switch": ("GPIO", -1.7, "->"),
        }
        right = {
            "lamp, buzzer": ("GPIO", 1.7, "->"),
            "screen or tablet:\noperator page": ("HDMI or Wi-Fi", 0.0, "<->"),
            "uplink: Ethernet, Wi-Fi\nor cellular stick": ("IP", -1.7, "<->"),
        }
        for side, parts in ((-1, left), (1, right)):
            for text, (by, height, arrow) in parts.items():
                edge = (board.center[0] + side * 2.6, board.center[1] + height)
                box = flow.Box(**size).label(text).at((edge[0] + side * 3.6, edge[1]))
                drawing += box.anchor("E" if side < 0 else "W")
                ends = (box.E, edge) if side < 0 else (edge, box.W)
                drawing += flow.Arrow(arrow=arrow).at(ends[0]).to(ends[1]).label(by, fontsize=_FONT_SIZE - 2)
        hat = flow.Box(w=5.2, h=1.5).label("UPS hat with its cells").at((board.S[0], board.S[1] - 1.6))
        drawing += hat.anchor("N")
        drawing += (
            flow.Arrow(arrow="->").at(hat.N).to(board.S).label("5 V, I2C", "bottom", fontsize=_FONT_SIZE - 2)
        )
        supply = flow.Box(**size).label("mains supply 5.1 V,\nsolar charger or vehicle")
        drawing += supply.at((hat.W[0] - 3.6, hat.W[1])).anchor("E")
        drawing += flow.Arrow(arrow="->").at(supply.E).to(hat.W).label("USB-C", fontsize=_FONT_SIZE - 2)
    return drawing
