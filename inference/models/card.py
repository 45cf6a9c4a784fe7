"""Model cards: what each model file is, where it came from, and what it was measured to do."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from inference.errors import ModelRefused


@dataclass(frozen=True, slots=True)
class CardTensor:
    """One input or output: its name in the signature, its shape, how it is stored, and what it means."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    meaning: str


@dataclass(frozen=True, slots=True)
class CardSource:
    """The published package that the weights came from; sha256 is that of the file inside the package."""

    registry: str
    package: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Card:
    """All that is known of one model file.

    sha256, size_bytes: of the built file `NAME.tflite`.
    calibration: the images that set the activation ranges, each with its licence; empty where
    none were needed.
    accuracy: figures with the data and the way they were measured, one sentence each.
    """

    name: str
    task: str
    licence: str
    sha256: str
    size_bytes: int
    quantisation: str
    built_with: str
    source: CardSource
    inputs: tuple[CardTensor, ...]
    outputs: tuple[CardTensor, ...]
    calibration: tuple[str, ...]
    accuracy: tuple[str, ...]


def parse_card(text: str) -> Card:
    """Read a card from TOML; raises `ModelRefused` when a field is missing or of the wrong kind."""
    try:
        fields = tomllib.loads(text)
        return Card(
            name=_text(fields, "name"),
            task=_text(fields, "task"),
            licence=_text(fields, "licence"),
            sha256=_text(fields, "sha256"),
            size_bytes=int(fields["size_bytes"]),
            quantisation=_text(fields, "quantisation"),
            built_with=_text(fields, "built_with"),
            source=CardSource(
                **{name: _text(fields["source"], name) for name in CardSource.__dataclass_fields__}
            ),
            inputs=tuple(_tensor(tensor) for tensor in fields["inputs"]),
            outputs=tuple(_tensor(tensor) for tensor in fields["outputs"]),
            calibration=tuple(str(line) for line in fields["calibration"]),
            accuracy=tuple(str(line) for line in fields["accuracy"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise ModelRefused(
            f"the model card cannot be read ({type(fault).__name__}: {fault}); build it with `make models`"
        ) from fault


def render_card(card: Card) -> str:
    """Write a card as TOML; `parse_card` reads it back to an equal card."""
    lines = [
        f"name = {_quote(card.name)}",
        f"task = {_quote(card.task)}",
        f"licence = {_quote(card.licence)}",
        f"sha256 = {_quote(card.sha256)}",
        f"size_bytes = {card.size_bytes}",
        f"quantisation = {_quote(card.quantisation)}",
        f"built_with = {_quote(card.built_with)}",
        *_list("calibration", card.calibration),
        *_list("accuracy", card.accuracy),
        "",
        "[source]",
        *(f"{name} = {_quote(getattr(card.source, name))}" for name in CardSource.__dataclass_fields__),
    ]
    for title, tensors in (("inputs", card.inputs), ("outputs", card.outputs)):
        for tensor in tensors:
            lines += [
                "",
                f"[[{title}]]",
                f"name = {_quote(tensor.name)}",
                f"shape = {list(tensor.shape)}",
                f"dtype = {_quote(tensor.dtype)}",
                f"meaning = {_quote(tensor.meaning)}",
            ]
    return "\n".join(lines) + "\n"


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _tensor(fields: dict[str, Any]) -> CardTensor:
    shape = tuple(int(side) for side in fields["shape"])
    return CardTensor(_text(fields, "name"), shape, _text(fields, "dtype"), _text(fields, "meaning"))


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise ValueError(f"a card holds printable text on one line, not {text!r}")
    return f'"{escaped}"'


def _list(name: str, lines: tuple[str, ...]) -> list[str]:
    return [f"{name} = [", *(f"    {_quote(line)}," for line in lines), "]"]
