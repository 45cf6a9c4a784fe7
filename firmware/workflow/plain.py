"""Sentences of the screen in English with their values, where no catalog is loaded: consoles and diagrams."""

from __future__ import annotations

from firmware.workflow.screen import Text


def plain(text: Text) -> str:
    """Return the English sentence with its values."""
    values = {name: _value(value) for name, value in text.values}
    message = text.plural if text.plural and text.number != 1 else text.message
    return message.format(**values)


def _value(value: object) -> str:
    if isinstance(value, Text):
        return plain(value)
    if isinstance(value, tuple):
        return ", ".join(_value(each) for each in value)
    return str(value)
