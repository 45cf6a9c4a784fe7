"""An appliance in a process of its own that is started anew as its desk asks: `FOLDER PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.kit.aggregator_stub import AggregatorStub
from tests.kit.desired_rig import Rig


async def serve(folder: Path, port: int) -> None:
    rig = Rig(folder, AggregatorStub(port=port))  # the stub itself is in the parent
    while True:
        async with rig.started():
            await rig.asked.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
