"""Does in the guest what the harness asks for; it comes through a systemd credential and is not in the image.

Runs by the image's own Python, with the standard library alone. A line of JSON in, a line of JSON out:
{"id": 1, "command": "sh text", "timeout_s": 60} -> {"id": 1, "status": 0, "output": "..."}.
`put` and `content` (base64) write a file instead.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess
import threading
from typing import Any

PORT = "agent"


def port() -> pathlib.Path:
    """Return the device of the virtio port with this name, whether udev has linked it or not."""
    for name in pathlib.Path("/sys/class/virtio-ports").glob("*/name"):
        if name.read_text().strip() == PORT:
            return pathlib.Path("/dev", name.parent.name)
    raise SystemExit(f"there is no virtio port {PORT}")


def done(asked: dict[str, Any]) -> dict[str, Any]:
    """Do one request and return its answer."""
    if "put" in asked:
        path = pathlib.Path(asked["put"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(asked["content"]))
        return {"status": 0, "output": ""}
    try:
        ran = subprocess.run(
            ["/bin/sh", "-c", asked["command"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=asked["timeout_s"],
        )
    except subprocess.TimeoutExpired as late:
        return {"status": 124, "output": (late.stdout or b"").decode(errors="replace")}
    return {"status": ran.returncode, "output": ran.stdout.decode(errors="replace")}


def main() -> None:
    """Serve, each request in a thread of its own."""
    lock = threading.Lock()
    # A port can be opened once: the same descriptor reads and writes.
    line = os.open(port(), os.O_RDWR)

    def say(answer: dict[str, Any]) -> None:
        rest = json.dumps(answer).encode() + b"\n"
        with lock:
            while rest:
                rest = rest[os.write(line, rest) :]

    def serve(request: dict[str, Any]) -> None:
        say({"id": request["id"], **done(request)})

    say({"id": 0, "status": 0, "output": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()})
    heard = b""
    while chunk := os.read(line, 65536):
        *requests, heard = (heard + chunk).split(b"\n")
        for request in requests:
            threading.Thread(target=serve, args=(json.loads(request),), daemon=True).start()


if __name__ == "__main__":
    main()
