"""Tries the board's pins in the guest; each finding is a line `PINS {"holds": true, "text": "..."}`.

`chip`: on the first chip there is, whose line 3 the machine's power button pulls. `board`: on the chip of the
40-pin header.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from queue import Empty, SimpleQueue

import gpiod
from gpiod.line import Bias, Direction, Edge
from gpiozero import LED, PWMLED, DigitalInputDevice

from sensors.board.gpio import GpioBoard
from sensors.board.gpiod_pins import GpiodFactory, open_header
from sensors.board.settings import BoardPins
from sensors.board.signals import PRESENTATIONS, Signal

FIRST = "/dev/gpiochip0"
BUTTON_LINE = 3
READY = "press the power button"


def say(holds: bool, text: str) -> None:
    print(f"PINS {json.dumps({'holds': holds, 'text': text})}", flush=True)  # noqa: T201


def chip() -> None:
    """One output, one input with edges, one train of pulses."""
    factory = GpiodFactory(gpiod.Chip(FIRST))
    lamp = LED(4, pin_factory=factory)
    lamp.on()
    levels = [lamp.pin.state]
    lamp.off()
    say([*levels, lamp.pin.state] == [1, 0], "an output is high and low as it was written")
    try:
        gpiod.Chip(FIRST).request_lines({4: None})
        say(False, "a line that is in use is refused to others")
    except OSError as error:
        say("busy" in str(error), "a line that is in use is refused to others")

    edges: SimpleQueue[str] = SimpleQueue()
    button = DigitalInputDevice(BUTTON_LINE, pull_up=None, active_state=True, pin_factory=factory)
    button.when_activated = lambda: edges.put("rises")
    button.when_deactivated = lambda: edges.put("falls")
    print(READY, flush=True)  # noqa: T201
    try:
        told = [edges.get(timeout=120), edges.get(timeout=20)]
    except Empty:
        told = []
    say(told == ["rises", "falls"], "an edge of the kernel's reaches the handler, and the next one too")

    pulsing = PWMLED(5, frequency=100, pin_factory=factory)
    written: SimpleQueue[bool] = SimpleQueue()
    write = pulsing.pin._write

    def count(is_high: bool) -> None:
        written.put(is_high)
        write(is_high)

    pulsing.pin._write = count
    pulsing.value = 0.5
    began_s, seen = time.monotonic(), 0
    with suppress(Empty):
        while seen < 300 and (left_s := began_s + 3 - time.monotonic()) > 0:
            written.get(timeout=left_s)
            seen += 1
    pulsing.value = 0
    took_s = time.monotonic() - began_s
    say(seen == 300, f"300 edges of 100 Hz take 1.5 s, here {seen} took {took_s:.1f} s; 3 s are borne")
    factory.close()
    say(not any(_use(FIRST, line).used for line in (BUTTON_LINE, 4, 5)), "closing frees the lines")


def board() -> None:
    """The whole board with its default pins."""
    header = open_header()
    if header is None:
        say(False, "the header's chip is found")
        return
    path, pins = header.path, BoardPins()
    say(True, f"the header's chip is found: {header.get_info().label}, {header.get_info().num_lines} lines")
    let_pass: SimpleQueue[bool] = SimpleQueue()

    def wait(cut: threading.Event, time_s: float) -> bool:
        let_pass.put(was_cut := cut.wait(time_s))
        return was_cut

    opened = GpioBoard(pins, GpiodFactory(header), wait=wait)
    uses = {name: _use(path, line) for name, line in asdict(pins).items()}
    outputs = [name for name, use in uses.items() if use.direction is Direction.OUTPUT]
    inputs = [
        name for name, use in uses.items() if use.bias is Bias.PULL_UP and use.edge_detection is Edge.BOTH
    ]
    say(outputs == [*list(uses)[:4]], f"outputs: {', '.join(outputs)}")
    say(inputs == [*list(uses)[4:]], f"inputs with pull-up and both edges: {', '.join(inputs)}")
    for signal in (Signal.DONE, Signal.GO_TO_A_PERSON, Signal.DEVICE_FAULT, Signal.IDLE):
        opened.show(signal)
        for _ in PRESENTATIONS[signal].tones:
            let_pass.get(timeout=20)  # the note
            let_pass.get(timeout=20)  # the pause behind it
    opened.close()
    say(not any(_use(path, line).used for line in asdict(pins).values()), "closing frees the pins")
    say(threading.active_count() == 1, "closing ends the threads")


def _use(path: str, line: int) -> gpiod.LineInfo:
    with gpiod.Chip(path) as chip:
        return chip.get_line_info(line)


if __name__ == "__main__":
    {"chip": chip, "board": board}[sys.argv[1]]()
