"""A chip of GPIO lines that obeys the kernel's rules: gpiod's Chip and LineRequest as far as they are used.

A line belongs to one request at a time, an input cannot be written and an output has no edges. A line to
which nothing is wired follows its pull. Edges are read from a descriptor that can be waited on.
"""

import errno
import os
import select
import threading
import time
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import gpiod
from gpiod.line import Bias, Direction, Edge, Value


class FakeChip:
    def __init__(self, label: str = "pinctrl-bcm2711", num_lines: int = 58) -> None:
        self._info = SimpleNamespace(label=label, num_lines=num_lines)
        self.requests: dict[int, FakeRequest] = {}
        self.wired: dict[int, bool] = {}
        # A line that is let go stays as it was: an output goes on driving its level.
        self.left: dict[int, Direction] = {}
        self.is_open = True

    def get_info(self) -> SimpleNamespace:
        self._check_open()
        return self._info

    def request_lines(
        self, config: Mapping[int, gpiod.LineSettings], consumer: str | None = None
    ) -> "FakeRequest":
        self._check_open()
        (offset, settings), *others = config.items()
        assert not others, "the project requests one line at a time"
        if offset >= self._info.num_lines:
            raise ValueError("line offset of out range")
        if offset in self.requests:
            raise OSError(errno.EBUSY, "Device or resource busy")
        request = self.requests[offset] = FakeRequest(self, offset, settings)
        return request

    def close(self) -> None:
        self._check_open()
        self.is_open = False

    def wire(self, offset: int, is_high: bool) -> None:
        """A contact drives the line from outside."""
        self.wired[offset] = is_high
        if request := self.requests.get(offset):
            request.look()

    def level(self, offset: int) -> bool:
        request = self.requests.get(offset)
        return request.level if request else self.wired.get(offset, False)

    def _check_open(self) -> None:
        if not self.is_open:
            raise gpiod.ChipClosedError


class FakeRequest:
    def __init__(self, chip: FakeChip, offset: int, settings: gpiod.LineSettings) -> None:
        self._chip = chip
        self._offset = offset
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC)
        self._is_released = False
        self._seen = False
        self.written: list[bool] = []
        self._was_written = threading.Condition()
        self._configure(settings)

    @property
    def fd(self) -> int:
        self._check()
        return self._read_fd

    @property
    def level(self) -> bool:
        if self._settings.direction is Direction.OUTPUT:
            return self.written[-1] if self.written else False
        return self._chip.wired.get(self._offset, self._settings.bias is Bias.PULL_UP)

    def get_value(self, line: int) -> Value:
        self._check(line)
        return Value.ACTIVE if self.level else Value.INACTIVE

    def set_value(self, line: int, value: Value) -> None:
        self._check(line)
        if self._settings.direction is not Direction.OUTPUT:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        with self._was_written:
            self.written.append(value is Value.ACTIVE)
            self._was_written.notify_all()

    def await_written(self, count: int) -> None:
        """Wait until the line was written so often."""
        with self._was_written:
            assert self._was_written.wait_for(lambda: len(self.written) >= count, timeout=10)

    def reconfigure_lines(self, config: Mapping[int, gpiod.LineSettings]) -> None:
        self._check(*config)
        self._configure(config[self._offset])

    def wait_edge_events(self, timeout: float | None = None) -> bool:
        self._check()
        return bool(select.select([self._read_fd], [], [], timeout)[0])

    def read_edge_events(self) -> list[Any]:
        self._check()
        records = os.read(self._read_fd, 4096).splitlines()
        edges = (record.split() for record in records)
        return [gpiod.EdgeEvent(int(kind), int(at_ns), self._offset, 0, 0) for kind, at_ns in edges]

    def release(self) -> None:
        self._check()
        self._is_released = True
        del self._chip.requests[self._offset]
        self._chip.left[self._offset] = self._settings.direction
        os.close(self._read_fd)
        os.close(self._write_fd)

    def look(self) -> None:
        """Notice an edge, as the kernel's interrupt does."""
        before, self._seen = self._seen, self.level
        if before == self._seen:
            return
        edge, kind = (
            (Edge.RISING, gpiod.EdgeEvent.Type.RISING_EDGE)
            if self._seen
            else (Edge.FALLING, gpiod.EdgeEvent.Type.FALLING_EDGE)
        )
        if self._settings.edge_detection in (edge, Edge.BOTH):
            os.write(self._write_fd, f"{kind.value} {time.monotonic_ns()}\n".encode())

    def _configure(self, settings: gpiod.LineSettings) -> None:
        if settings.direction is not Direction.INPUT and settings.edge_detection is not Edge.NONE:
            raise OSError(errno.EINVAL, "Invalid argument")
        self._settings = settings
        self._seen = self.level

    def _check(self, *lines: int) -> None:
        if self._is_released:
            raise gpiod.RequestReleasedError
        if unknown := set(lines) - {self._offset}:
            raise ValueError(f"not part of this request: {unknown}")


def as_listed(chips: Iterable[FakeChip]) -> dict[str, FakeChip]:
    """Chips by the name of their node, as the kernel numbers them."""
    return {f"gpiochip{number}": chip for number, chip in enumerate(chips)}
