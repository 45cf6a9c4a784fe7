"""A camera for the guest: real picamera2 on libcamera's virtual pipeline, which shows a photograph.

The image's own camera service runs it, hardened as it is, with the project's driver unchanged. What the
pipeline lacks of a Pi's comes from tests/kit/virtual_libcamera; that, the pipeline's file and a drop-in for
the service are put under /run, so that the image holds none of it.
"""

from __future__ import annotations

from typing import Final

from tests.image.agent import Agent
from tests.image.tools import REPOSITORY

SOURCE: Final = REPOSITORY / "tests" / "kit" / "virtual_libcamera" / "source.py"
CONFIG: Final = "/data/etc/aidpost/aidpost.toml"
_PIPELINE: Final = "/usr/share/libcamera/pipeline/virtual"
_PLACE: Final = "/run/camera"
_DROP_IN: Final = f"""\
[Service]
ExecStart=
ExecStart=/usr/lib/aidpost/venv/bin/python -P -m sensors.camera.child --source virtual_camera:open_source
Environment=PYTHONPATH={_PLACE}
BindReadOnlyPaths={_PLACE}:{_PIPELINE}
DeviceAllow=/dev/udmabuf rw
"""
# The pipeline scales each frame by itself: 30 in a second take a whole emulated processor.
_CAMERA: Final = """\
%YAML 1.1
---
"Virtual0":
  supported_formats:
  - {{width: 640, height: 480, frame_rates: [5]}}
  frames: {{path: "{}"}}
  location: "CameraLocationFront"
  model: "virtual"
"""
# The pipeline has no other frames than NV12.
_EDIT: Final = (
    's#^driver = "replay"#driver = "picamera2"\\npixel_format = "NV12"#; s#^device = ".*faces"#device = "0"#'
)


async def show(agent: Agent, name: str, photograph: bytes) -> None:
    """Let a picamera2 that sees a JPEG file take the place of the replay camera until the next start."""
    await agent.put(f"{_PLACE}/{name}", photograph)
    await agent.put(f"{_PLACE}/virtual.yaml", _CAMERA.format(f"{_PIPELINE}/{name}").encode())
    await agent.put(f"{_PLACE}/virtual_camera.py", SOURCE.read_bytes())
    await agent.put("/run/systemd/system/aidpost-capture@.service.d/tests.conf", _DROP_IN.encode())
    # Without any media driver there is no bus of them, and libcamera's manager does not start.
    await agent.run("modprobe mc")
    await agent.run(f"chmod -R a+rX {_PLACE} && chmod a+rw /dev/udmabuf && systemctl daemon-reload")
    await agent.run(f"sed -i.replay '{_EDIT}' {CONFIG}")
    await agent.run("systemctl restart aidpost.service", 300.0)


async def put_away(agent: Agent) -> None:
    """Let the appliance have its replay camera again: what plays the other one is gone at the next start."""
    await agent.run(f"mv {CONFIG}.replay {CONFIG} && chown aidpost:aidpost {CONFIG}")
    await agent.run("systemctl restart aidpost.service", 300.0)
