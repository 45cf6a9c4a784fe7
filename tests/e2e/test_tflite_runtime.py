"""Both TFLite runtimes hold one contract: the same models load, and a face or finger is the same in both.

tflite-runtime exists for Python 3.11 alone, so on a later one there is no test here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]
PHOTOGRAPHS = [
    REPOSITORY / "firmware" / "demo" / "assets" / "faces" / f"{name}.jpg" for name in ("hopper", "obama")
]
TFLITE_PYTHON = REPOSITORY / ".venv-tflite" / "bin" / "python"


def embed(python: Path, runtime: str) -> dict[str, Any]:
    command = [str(python), "-m", "tests.kit.embed_photographs", runtime, *map(str, PHOTOGRAPHS)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if sys.version_info < (3, 12):

    def test_the_two_runtimes_run_the_same_models_to_the_same_faces() -> None:
        if not TFLITE_PYTHON.exists():
            message = "needs the environment of tflite-runtime: run `make tflite-runtime-env`"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        new, old = embed(Path(sys.executable), "litert"), embed(TFLITE_PYTHON, "tflite-runtime")
        assert (new["refused"], old["refused"]) == ([], [])
        assert new["made_by"].split("/") == [old["made_by"].split("/")[0], "litert"]
        assert old["made_by"].endswith("/tflite-runtime")
        first, second = np.array(new["embeddings"]), np.array(old["embeddings"])
        alike = (first * second).sum(axis=1)
        # Not bit for bit: the runtimes quantise activations in different ways. Two people are below 0.4.
        assert alike.min() > 0.97, alike
        assert alike.min() < 1 - 1e-6, "one runtime ran twice"
        for scores in (new["finger_scores"], old["finger_scores"]):
            assert scores[0] > scores[1] + 8, "a finger is no longer told from another"
        assert new["finger_scores"] == pytest.approx(old["finger_scores"], abs=1.5)
