"""A data partition that obeys LUKS: a header with one key, nothing opens without it, power cuts anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from trust.keys.secret import SecretKey


class PowerCut(Exception):
    """The power went; what was written until then stays."""


class PlayedPartition:
    """holds: what else lies on it. cut_before: the step before which the power goes."""

    def __init__(self, *, holds: str = "", cut_before: str = "") -> None:
        self.holds = holds
        self.cut_before = cut_before
        self.opened = False
        self.file_system = 0
        """Which one it is; each that is made has another number, 0 for none."""
        self.header: tuple[UUID, bytes] | None = None
        self._held = False

    def is_open(self) -> bool:
        return self.opened

    def uuid(self) -> UUID | None:
        return None if self.header is None else self.header[0]

    def is_blank(self) -> bool:
        return not self.holds and self.header is None

    def has_key(self) -> bool:
        return self.header is not None and self.header[1] != b""

    def is_empty(self) -> bool:
        assert self.opened
        return self.file_system == 0

    @contextmanager
    def grown(self) -> Iterator[None]:
        self._power("grow")
        assert self.file_system == 0
        self._held = True
        yield
        assert self.opened, "udev takes away what nobody uses"
        self._held = False

    def encrypt(self, uuid: UUID, key: SecretKey) -> None:
        self._power("encrypt")
        assert self._held
        self.header = (uuid, b"")
        self._power("add_key")
        with key.view() as view:
            self.header, self.holds = (uuid, bytes(view)), ""

    def open(self, key: SecretKey) -> bool:
        self._power("open")
        assert self.header is not None
        with key.view() as view:
            self.opened = self.header[1] == bytes(view)
        return self.opened

    def make_file_system(self) -> None:
        self._power("make_file_system")
        assert self.opened
        self.file_system += 1

    def switch_off(self) -> None:
        self.opened = False
        self.cut_before = ""

    def _power(self, step: str) -> None:
        if step == self.cut_before:
            raise PowerCut(step)
