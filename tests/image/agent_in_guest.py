"""Does in the guest what the harness asks for; it comes through a systemd credential and is not in the image.

Runs by the image's own Python, with the standard library alone. A line of JSON in, a line of JSON out:
{"id": 1, "command": "sh text", "timeout_s": 60} -> {"id": 1, "status": 0, "output": "..."}.
`put` and `content` (base64) write a file instead.
"""

from __future__ import annotations

import base64
import json
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
    with port().open("rb", buffering=0) as asked, port().open("wb", buffering=0) as said:

        def say(answer: dict[str, Any]) -> None:
            line = json.dumps(answer).encode() + b"\n"
            with lock:
                while line:
                    line = line[said.write(line) :]

        def serve(request: dict[str, Any]) -> None:
            say({"id": request["id"], **done(request)})

        say({"id": 0, "status": 0, "output": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()})
        rest = b""
        while chunk := asked.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
