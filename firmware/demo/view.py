"""The demonstration on the terminal: live on a screen, line by line in a pipe."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from firmware.commands.common import signal_line
from firmware.demo.report import Served
from firmware.demo.scenario import Answer, Arrival
from firmware.session.machine import Show
from sensors.board.signals import PRESENTATIONS, LampColour, RingColour, RingMode, Signal
from sensors.board.table import SYMBOLS

ROWS = 12
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_RING_STYLE = {RingColour.RED: "red", RingColour.BLUE: "blue", RingColour.PURPLE: "magenta"}
_LAMP_STYLE = {
    LampColour.OFF: "dim", LampColour.GREEN: "green", LampColour.AMBER: "yellow", LampColour.RED: "red",
}  # fmt: skip


@dataclass(slots=True)
class View:
    """What is on the screen; change it through its methods."""

    console: Console
    title: str = ""
    total: int = 0
    signal: Show = field(default_factory=lambda: Show(Signal.IDLE))
    arrival: Arrival | None = None
    served: list[Served] = field(default_factory=list)
    waiting: int = 0
    written: int = 0
    connected: bool = False
    wire_whole: bool = True
    _live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Redraw on a terminal while the block runs; in a pipe print lines instead."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self, console=self.console, refresh_per_second=8, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def say(self, text: str) -> None:
        """Say what happens now."""
        self.title = text
        if self._live is None:
            self.console.print(text, highlight=False)

    def on_signal(self, effect: Show) -> None:
        """Show a signal."""
        self.signal = effect

    def on_served(self, served: Served) -> None:
        """Add a finished arrival."""
        self.served.append(served)
        if self._live is None:
            self.console.print(_line(served), highlight=False, markup=False)

    def on_queue(self, *, waiting: int, written: int, connected: bool, wire_whole: bool) -> None:
        """Show the outbox and the link."""
        self.waiting, self.written, self.connected, self.wire_whole = waiting, written, connected, wire_whole

    def as_svg(self) -> str:
        """Return the screen as it is now."""
        recorder = Console(record=True, width=128, file=io.StringIO(), force_terminal=True)
        recorder.print(self)
        # rich names a font on another host; a page of ours asks nothing of the internet
        return _FONT_FACE.sub("", recorder.export_svg(title="aidpost demo"))

    def __rich__(self) -> RenderableType:
        return Group(
            Text(self.title, style="bold"),
            self._panels(),
            self._table(),
        )

    def _panels(self) -> Table:
        side_by_side = Table.grid(expand=True)
        side_by_side.add_column(ratio=1)
        side_by_side.add_column(ratio=1)
        side_by_side.add_row(self._signal_panel(), self._link_panel())
        return side_by_side

    def _signal_panel(self) -> Panel:
        presentation = PRESENTATIONS[self.signal.signal]
        ring, lamp = presentation.ring, presentation.lamp
        lit = ring.mode is not RingMode.OFF
        ring_word = f"{ring.colour.name.lower()}, {ring.mode.name.lower()}" if lit else "off"
        tones = " ".join(f"{tone.frequency_hz} Hz" for tone in presentation.tones)
        rows = Table.grid(padding=(0, 2))
        rows.add_row("sign", Text(f"{SYMBOLS[presentation.pictogram]} {signal_line(self.signal)}", "bold"))
        rows.add_row("ring", Text(f"◉ {ring_word}", _RING_STYLE[ring.colour] if lit else "dim"))
        rows.add_row("lamp", Text(f"● {lamp.name.lower()}", _LAMP_STYLE[lamp]))
        rows.add_row("sound", tones or "–")
        arrival = self.arrival
        who = f"arrival {arrival.number} of {self.total}: {arrival.kind.value}" if arrival else "appliance"
        return Panel(rows, title=who, height=6)

    def _link_panel(self) -> Panel:
        wire = Text("whole", "green") if self.wire_whole else Text("CUT", "yellow")
        uplink = Text("connected", "green") if self.connected else Text("trying again", "yellow")
        rows = Table.grid(padding=(0, 2))
        rows.add_row("wire", wire)
        rows.add_row("uplink", uplink)
        rows.add_row("records", f"{self.written} written, {self.waiting} waiting")
        rows.add_row(
            "queue", ProgressBar(total=40, completed=min(self.waiting, 40), width=40, complete_style="cyan")
        )
        return Panel(rows, title="uplink", height=6)

    def _table(self) -> Table:
        times = ("capture", "template", "compare", "commit")
        table = Table("no", "arrival", "asked", "expected", "result", "score", *times, expand=True)
        for served in self.served[-ROWS:]:
            stages = {stage.stage: f"{stage.duration_ns / 1e6:.0f} ms" for stage in served.result.stages}
            good = not (served.wrong_accept or served.wrong_refusal)
            word = Text(served.actual.value, style="green" if served.actual is Answer.SERVED else "yellow")
            table.add_row(
                str(served.arrival.number),
                served.arrival.kind.value,
                served.arrival.mode.value,
                served.arrival.expected.value,
                word if good else word + Text("  (not as expected)", style="bold"),
                _score(served),
                *(stages.get(stage, "–") for stage in times),
            )
        return table


def _score(served: Served) -> str:
    record = served.result.record
    return "–" if record.score_llr is None else f"{record.score_llr:+.1f}"


def _line(served: Served) -> str:
    stages = " ".join(f"{stage.stage} {stage.duration_ns / 1e6:.0f}" for stage in served.result.stages)
    arrival = served.arrival
    mark = "" if not (served.wrong_accept or served.wrong_refusal) else "  NOT AS EXPECTED"
    return (
        f"{arrival.number:3d}  {arrival.kind.value:<22} {arrival.mode.value:<9} {served.actual.value:<12}"
        f" tries {served.result.record.tries}  score {_score(served):>6}  [{stages} ms]{mark}"
    )
