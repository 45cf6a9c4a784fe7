"""The catalogue of models: each `NAME.tflite` is loaded only if it is what `NAME.card.toml` says."""

from __future__ import annotations

import hashlib
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ModelRefused
from inference.models.card import Card, CardTensor, parse_card
from inference.runtime import Engine, RuntimeName, TensorSpec, load

FOLDER = Path(__file__).parent
"""Where the models of this distribution lie."""

DIGEST_CHARACTERS = 16
"""64 bits of a digest tell the handful of models that a gallery ever sees apart."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A verified model, ready to run."""

    card: Card
    engine: Engine


class Catalogue:
    """The models in one folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """Names of all models that have a card, sorted."""
        return tuple(
            sorted(path.name.removesuffix(".card.toml") for path in self._folder.glob("*.card.toml"))
        )

    def card(self, name: str) -> Card:
        """Read the card of `name`; raises `ModelRefused` when it is missing or damaged."""
        path = self._folder / f"{name}.card.toml"
        try:
            card = parse_card(path.read_text(encoding="utf-8"))
        except OSError as fault:
            raise ModelRefused(f"there is no card {path}; build the models with `make models`") from fault
        if card.name != name:
            raise ModelRefused(f"the card {path} is of the model {card.name!r}; build it with `make models`")
        return card

    def load(self, name: str, runtime: RuntimeName, threads: int = 1) -> LoadedModel:
        """Load the model `name` after checking its digest, and its inputs and outputs, against its card.

        Raises `ModelRefused` when the file is missing or not the one that the card names, and
        `RuntimeUnavailable` when the runtime is not installed.
        """
        card = self.card(name)
        path = self._folder / f"{name}.tflite"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as fault:
            raise ModelRefused(
                f"the model {path} cannot be read; build the models with `make models`"
            ) from fault
        try:
            engine = _verified(path, descriptor, card, runtime, threads)
        except BaseException:
            os.close(descriptor)
            raise
        # An engine maps the file anew now and then: it must be this one, whatever takes its name meanwhile.
        weakref.finalize(engine, os.close, descriptor)
        _check_tensors(name, "inputs", card.inputs, engine.inputs)
        _check_tensors(name, "outputs", card.outputs, engine.outputs)
        return LoadedModel(card, engine)


def _verified(path: Path, descriptor: int, card: Card, runtime: RuntimeName, threads: int) -> Engine:
    """Make an engine of the open file if it is what the card says; raises `ModelRefused`."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != card.sha256:
        raise ModelRefused(
            f"{path} is not the model of its card (sha256 {digest[:12]}, not {card.sha256[:12]}); "
            "put the released file back or build the models with `make models`"
        )
    return load(Path(f"/proc/self/fd/{descriptor}"), runtime, threads)


def made_by(model: LoadedModel) -> str:
    """What a template says of its origin: model, short digest, runtime: ``sface-0123456789abcdef/litert``."""
    return f"{short_name(model)}/{model.engine.runtime.value}"


def short_name(model: LoadedModel) -> str:
    """Model and short digest: ``sface-0123456789abcdef``."""
    return f"{model.card.name}-{model.card.sha256[:DIGEST_CHARACTERS]}"


def _check_tensors(
    name: str, kind: str, expected: tuple[CardTensor, ...], found: dict[str, TensorSpec]
) -> None:
    stated = {(tensor.name, tensor.shape, tensor.dtype) for tensor in expected}
    actual = {(tensor.name, tensor.shape, tensor.dtype) for tensor in found.values()}
    if stated != actual:
        raise ModelRefused(
            f"the {kind} of the model {name} are {sorted(actual)}, but its card says {sorted(stated)}; "
            "build the models with `make models`"
        )
