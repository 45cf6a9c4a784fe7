"""A Raspberry Pi as QEMU plays it: its firmware's choice of a boot partition, and boots until it is off.

QEMU's `virt` board has none of the Pi's devices. The card is a virtio disk, the fingerprint reader a 16550
port (/dev/ttyS0) on the emulated sensor's pseudo-terminal, the board another one (/dev/ttyS1) that is the
service's terminal, the customer key of the Pi's OTP a fw_cfg file, and the network QEMU's own, where this
host is 10.0.2.2.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.image import agent as agents
from tests.image.agent import Agent, connect
from tests.image.console import Console, Line
from tests.image.disk import Disk
from tests.image.firmware import Loaded, NothingToBoot, load
from tests.image.tools import qemu

HOST: Final = "10.0.2.2"
TRYBOOT: Final = "HARNESS tryboot"
"""What the image says on the console where a Pi's kernel would hand the firmware the flag."""
POWERED_OFF: Final = "reboot: Power down"
# A drop-in for the service, by a credential on the kernel's command line: fw_cfg has no room for its name.
# The watchdog's 30 s end the service on an emulated processor that others use too, where nothing has hung.
_TERMINAL = b"[Service]\nStandardInput=tty\nStandardOutput=tty\nTTYPath=/dev/ttyS1\nWatchdogSec=5min\n"
ON_BOARD: Final = f"systemd.unit-dropin.aidpost.service:{base64.b64encode(_TERMINAL).decode()}"
MOST_BOOTS = 100
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Plugs:
    """What the machine is fitted with.

    fingerprint: pseudo-terminal of the sensor. board: a serial line for the console board. otp: 64
    hexadecimal digits. append: words for the kernel. files: more fw_cfg files by name. stick: a second disk,
    as a USB stick is.
    """

    fingerprint: Path | None = None
    otp: str = "0123456789abcdef" * 4
    agent: bool = True
    board: bool = False
    memory_mb: int = 1024
    append: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    stick: Path | None = None


@dataclass(frozen=True, slots=True)
class Boot:
    """One start. slot: A or B, as the firmware chose. at_s: on the console's clock."""

    number: int
    slot: str
    tryboot: bool
    at_s: float


class Machine:
    """Switched on by entering the context and killed by leaving it; a reset starts it again, as power does.

    folder: for its log and its files. instead: what to start, whatever the card's boot partitions hold.
    """

    def __init__(
        self, disk: Disk, folder: Path, plugs: Plugs | None = None, instead: Loaded | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.disk: Final = disk
        self.plugs = plugs or Plugs()
        self._instead = instead
        self.boots: Final[list[Boot]] = []
        self.console: Final = Console(folder / "console.log", self._heard)
        # A socket's path has 107 characters at most, and the folder may be deep.
        self._scratch = tempfile.TemporaryDirectory(prefix="aidpost-machine-")
        self._folder = Path(self._scratch.name)
        self._tryboot = self._powered_off = False
        self._fault = "it was switched off"
        self._process: asyncio.subprocess.Process | None = None
        self._agent: Agent | None = None
        self.board: Final = Console(folder / "board.log", lambda line: self.on_board(line))
        self.on_board: Callable[[Line], None] = lambda _line: None
        self._keys: asyncio.StreamWriter | None = None
        self._booted = asyncio.Condition()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.power_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()
        await self.console.end()
        await self.board.end()
        self._scratch.cleanup()

    async def power_on(self) -> None:
        """Start, without the flag of a trial boot: it lives in the Pi's memory."""
        assert self._running is None, "it is on already"
        self._tryboot = False
        self._running = asyncio.create_task(self._run())

    async def kill(self) -> None:
        """Cut the power: SIGKILL to QEMU. What the guest had not written is lost."""
        if self._running is None:
            return
        running, self._running = self._running, None
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def press(self, keys: bytes) -> None:
        """Send keys to the board; nobody sees them while the machine is off."""
        if self._keys is not None:
            self._keys.write(keys)

    async def agent(self, timeout_s: float = 600.0, boot: int = 1) -> Agent:
        """Wait for the agent of boot number `boot` or of a later one. Raises TimeoutError, GuestFailed."""
        async with asyncio.timeout(timeout_s):
            while True:
                await self._until(partial(self._has_agent, boot))
                found = self._agent
                if found is None:
                    raise self._end()
                try:
                    await found.ready()
                except agents.GuestFailed:
                    boot = len(self.boots) + 1
                    continue
                return found

    async def until_boot(self, number: int, timeout_s: float) -> Boot:
        """Wait until the machine has started so many times. Raises TimeoutError, GuestFailed."""
        async with asyncio.timeout(timeout_s):
            await self._until(lambda: len(self.boots) >= number)
        if len(self.boots) < number:
            raise self._end()
        return self.boots[number - 1]

    async def until_off(self, timeout_s: float) -> None:
        """Wait until the guest has switched itself off. Raises TimeoutError."""
        assert self._running is not None
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(self._running)

    def _end(self) -> agents.GuestFailed:
        return agents.GuestFailed(f"the machine stopped: {self._fault}\n{self.console.tail()}")

    def _has_agent(self, boot: int) -> bool:
        return self._agent is not None and len(self.boots) >= boot

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds, or the machine has stopped."""
        async with self._booted:
            await self._booted.wait_for(lambda: holds() or self._stopped())

    def _stopped(self) -> bool:
        return self._running is None or self._running.done()

    def _heard(self, line: Line) -> None:
        if TRYBOOT in line.text:
            self._tryboot = True
        elif POWERED_OFF in line.text:
            self._powered_off = True

    async def _run(self) -> None:
        try:
            self._powered_off = False
            while not self._powered_off and len(self.boots) < MOST_BOOTS:
                await self._boot()
        except (NothingToBoot, RuntimeError) as fault:
            self._fault = str(fault)
            raise
        finally:
            async with self._booted:
                self._booted.notify_all()

    async def _boot(self) -> None:
        tryboot, self._tryboot = self._tryboot, False
        loaded = self._instead
        if loaded is None:
            loaded = await asyncio.to_thread(load, self.disk, self._folder, tryboot=tryboot)
        number = len(self.boots) + 1
        words = [*loaded.command_line.split(), *self.plugs.append.split()]
        if not any(word.startswith("console=ttyAMA0") for word in words):
            words.append("console=ttyAMA0")
        if self.plugs.agent:
            words.append(f"systemd.wants={agents.UNIT}")
        if self.plugs.board:
            words.append(f"systemd.set_credential_binary={ON_BOARD}")
        self._process = await asyncio.create_subprocess_exec(
            *self._qemu(),
            *("-kernel", str(loaded.kernel), "-initrd", str(loaded.initrd), "-append", " ".join(words)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        hearing: asyncio.Task[None] | None = None
        monitor: asyncio.StreamWriter | None = None
        try:
            # QEMU may have to wait for its turn (AIDPOST_QEMU_UNDER): it runs once its monitor answers.
            _, monitor = await connect(self._folder / "monitor", self._process)
            if self.plugs.agent:
                self._agent = Agent(*await connect(self._folder / "agent", self._process))
            if self.plugs.board:
                hearing = asyncio.create_task(self._hear_board(number, self._process))
            async with self._booted:
                self.boots.append(Boot(number, loaded.slot, tryboot, self.console.now_s()))
                self._booted.notify_all()
            await self.console.hear(self._process.stdout, number)
            await self._process.wait()
        except agents.GuestFailed:
            await self.console.hear(self._process.stdout, number)
            raise RuntimeError("QEMU did not start") from None
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            if monitor is not None:
                monitor.close()
            if hearing is not None:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
            if self._agent is not None:
                await self._agent.close()
                self._agent = None
        if self._process.returncode != 0:
            raise RuntimeError(f"QEMU ended with {self._process.returncode}")

    async def _hear_board(self, number: int, process: asyncio.subprocess.Process) -> None:
        reader, self._keys = await connect(self._folder / "board", process)
        try:
            await self.board.hear(reader, number)
        finally:
            self._keys.close()
            self._keys = None

    def _qemu(self) -> list[str]:
        plugs = self.plugs
        words = [
            *qemu(),
            *("-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", str(plugs.memory_mb)),
            *("-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-no-reboot"),
            *("-serial", "stdio", "-device", "virtio-rng-pci"),
            *("-chardev", self._socket("monitor"), "-mon", "monitor"),
            # kill -9 ends QEMU and not this host: what the guest has written is in the host's memory,
            # whichever way QEMU flushes.
            *("-drive", f"file={self.disk.path},format=raw,if=none,id=card,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=card"),
            *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
        ]
        files = dict(plugs.files)
        (self._folder / "otp").write_text(plugs.otp)
        files["opt/aidpost/otp"] = self._folder / "otp"
        if plugs.fingerprint is not None:
            path = plugs.fingerprint.resolve()
            words += ["-chardev", f"serial,id=finger,path={path}", "-device", "pci-serial,chardev=finger"]
        if plugs.board:
            words += ["-chardev", self._socket("board"), "-device", "pci-serial,chardev=board"]
        if plugs.stick is not None:
            words += ["-drive", f"file={plugs.stick},format=raw,if=none,id=stick", "-device", "qemu-xhci"]
            words += ["-device", "usb-storage,drive=stick,removable=on"]
        if plugs.agent:
            files |= agents.credentials(self._folder)
            words += ["-chardev", self._socket("agent")]
            words += [
                "-device",
                "virtio-serial-pci",
                "-device",
                f"virtserialport,chardev=agent,name={agents.PORT}",
            ]
        for name, path in files.items():
            words += ["-fw_cfg", f"name={name},file={path}"]
        return words

    def _socket(self, name: str) -> str:
        path = self._folder / name
        path.unlink(missing_ok=True)
        return f"socket,id={name},path={path},server=on,wait=off"
