"""The engine: real values in and out by name, whatever a model stores; and refusals that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.errors import ModelRefused, RuntimeUnavailable
from inference.models.catalogue import FOLDER
from inference.runtime import Engine, RuntimeName, load

REPOSITORY = Path(__file__).parents[2]
INT8_MODEL = REPOSITORY / "tests" / "data" / "int8_arithmetic.tflite"


@pytest.fixture
def arithmetic() -> Engine:
    return load(INT8_MODEL.read_bytes(), RuntimeName.LITERT)


def test_a_model_with_integer_inputs_takes_and_gives_real_values(arithmetic: Engine) -> None:
    left = np.array([[1, 2.5, 5, 9]], np.float32)
    right = np.array([[-1, 1.5, 0.5, 1]], np.float32)
    assert {spec.dtype for spec in (*arithmetic.inputs.values(), *arithmetic.outputs.values())} == {"int8"}

    results = arithmetic.run({"right": right, "left": left})

    steps = {name: spec.scale for name, spec in (arithmetic.inputs | arithmetic.outputs).items()}
    rounding = steps["left"] + steps["right"]
    assert results["sum"].dtype == np.float32
    np.testing.assert_allclose(results["sum"], left + right, atol=rounding + steps["sum"])
    np.testing.assert_allclose(results["difference"], left - right, atol=rounding + steps["difference"])


def test_values_beyond_the_range_of_a_model_are_held_at_its_ends(arithmetic: Engine) -> None:
    far = np.full((1, 4), 1e6, np.float32)
    results = arithmetic.run({"left": far, "right": np.zeros((1, 4), np.float32)})
    np.testing.assert_allclose(results["sum"], 10, atol=0.2)


def test_bytes_and_floats_of_one_value_are_the_same_input(arithmetic: Engine) -> None:
    left, right = np.array([[0, 3, 7, 10]]), np.array([[0, 1, 2, 0]])
    as_bytes = arithmetic.run({"left": left.astype(np.uint8), "right": right.astype(np.uint8)})
    as_floats = arithmetic.run({"left": left.astype(np.float32), "right": right.astype(np.float32)})
    np.testing.assert_array_equal(as_bytes["sum"], as_floats["sum"])


class RecordingInterpreter:
    """An interpreter of one open side; it keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
        tensor = {"quantization": (0.0, 0), "shape_signature": np.array([1, -1, -1]), "dtype": np.float32}
        self._details = {"image": tensor}

    def get_signature_runner(self) -> RecordingInterpreter:
        return self

    def get_input_details(self) -> dict[str, dict[str, object]]:
        return self._details

    def get_output_details(self) -> dict[str, dict[str, object]]:
        return self._details

    def __call__(self, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> dict[str, object]:
        self.given.append(image)
        return {"image": image.copy()}


def test_forgetting_reaches_as_far_as_the_largest_samples_since_the_last_time() -> None:
    interpreter = RecordingInterpreter()
    engine = Engine(interpreter, RuntimeName.LITERT)
    for shape in ((1, 64, 32), (1, 32, 96), (1, 32, 32)):
        engine.run({"image": np.ones(shape, np.float32)})
    engine.forget()
    assert interpreter.given[-1].shape == (1, 64, 96)
    assert not interpreter.given[-1].any()
    engine.forget()
    assert len(interpreter.given) == 4


def test_an_engine_that_takes_any_size_gives_its_working_memory_up_with_the_samples() -> None:
    first, second = RecordingInterpreter(), RecordingInterpreter()
    engine = Engine(first, RuntimeName.LITERT, lambda: second)
    for _ in range(2):
        engine.run({"image": np.ones((1, 64, 32), np.float32)})
    engine.forget()
    assert not first.given[-1].any()
    engine.forget()
    engine.run({"image": np.ones((1, 32, 32), np.float32)})
    assert (len(first.given), len(second.given)) == (3, 1)


def test_a_model_is_the_same_from_its_file_and_from_its_bytes(arithmetic: Engine) -> None:
    mapped = load(INT8_MODEL, RuntimeName.LITERT)
    assert mapped.inputs == arithmetic.inputs
    sample = {name: np.ones((1, 4), np.float32) for name in mapped.inputs}
    assert all(
        np.array_equal(array, mapped.run(sample)[name]) for name, array in arithmetic.run(sample).items()
    )
    with pytest.raises(ModelRefused, match="make models"):
        load(Path(__file__), RuntimeName.LITERT)


def test_the_sample_stays_whole_and_its_converted_copy_is_wiped() -> None:
    interpreter = RecordingInterpreter()
    engine = Engine(interpreter, RuntimeName.LITERT)
    for sample in (np.ones((1, 2, 2), np.float32), np.ones((1, 2, 2), np.uint8)):
        assert engine.run({"image": sample})["image"].all()
        assert sample.all()
    as_float, as_bytes = interpreter.given
    assert as_float.all()
    assert not as_bytes.any()


@pytest.mark.parametrize(
    "inputs",
    [
        {"left": np.zeros((1, 4), np.float32)},
        {"left": np.zeros((1, 4), np.float32), "up": np.zeros((1, 4), np.float32)},
        {"left": np.zeros((1, 4), np.float32), "right": np.zeros((4,), np.float32)},
        {"left": np.zeros((1, 4), np.float32), "right": np.zeros((1, 5), np.float32)},
    ],
)
def test_inputs_of_another_name_or_shape_are_refused(
    arithmetic: Engine, inputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> None:
    with pytest.raises(ValueError, match="input"):
        arithmetic.run(inputs)


def test_what_is_no_model_is_refused() -> None:
    whole = INT8_MODEL.read_bytes()
    for damaged in (b"", b"no model", whole[:8], whole[: len(whole) // 2], b"\0" * 8 + whole[8:]):
        with pytest.raises(ModelRefused, match="make models"):
            load(damaged, RuntimeName.LITERT)


def test_a_runtime_that_is_not_installed_is_named_with_the_way_to_install_it() -> None:
    # The environment of the tests holds LiteRT; tflite-runtime has one of its own.
    with pytest.raises(RuntimeUnavailable, match="make tflite-runtime-env"):
        load(INT8_MODEL.read_bytes(), RuntimeName.TFLITE_RUNTIME)


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def load_program(model: Path) -> str:
    return (
        "from pathlib import Path; from inference.runtime import RuntimeName, load; "
        f"engine = load(Path({str(model)!r}).read_bytes(), RuntimeName.LITERT); "
    )


def test_a_running_engine_needs_no_tensorflow() -> None:
    heavy = "import sys; print(sorted({'tensorflow', 'jax', 'keras', 'torch'} & sys.modules.keys()))"
    assert run_program(load_program(INT8_MODEL) + heavy).stdout.strip() == "[]"


def test_loading_a_model_leaves_the_standard_error_to_the_log() -> None:
    # The minutiae network is one that XNNPACK runs, which is what the runtime announces.
    done = run_program(load_program(FOLDER / "leader.tflite") + "import os; os.write(2, b'still there')")
    assert done.stderr == "still there"


def test_only_the_line_that_is_named_is_kept_off_the_standard_error_even_when_the_body_fails() -> None:
    done = run_program(
        "import os, contextlib\n"
        "from inference.standard_error import without_line\n"
        "with contextlib.suppress(ValueError), without_line(b'INFO: hello'):\n"
        "    os.write(2, b'ERROR: a\\nINFO: hello\\nINFO: hello you\\nno end')\n"
        "    raise ValueError\n"
        "os.write(2, b'; after')\n"
    )
    assert done.stderr == "ERROR: a\nINFO: hello you\nno end; after"


def test_a_closed_standard_error_stays_closed() -> None:
    done = run_program(
        "import os\n"
        "from inference.standard_error import without_line\n"
        "os.close(2)\n"
        "with without_line(b'INFO: hello'):\n"
        "    print('ran')\n"
        "try: os.fstat(2)\n"
        "except OSError: print('closed')\n"
    )
    assert done.stdout.split() == ["ran", "closed"]


def test_the_minutiae_network_takes_less_than_80_mb_for_the_largest_image() -> None:
    # 112 MB when its first convolutions ran on single pixels and the file named the largest size.
    done = run_program(
        "import re; import numpy as np; import ai_edge_litert.interpreter\n"
        "def peak_mb():\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024 / 1e6\n"
        "before = peak_mb()\n"
        + load_program(FOLDER / "leader.tflite")
        + "\nengine.run({'image': np.zeros((1, 288, 256, 1), np.float32)})\nprint(peak_mb() - before)\n"
    )
    assert 40 < float(done.stdout) < 80
