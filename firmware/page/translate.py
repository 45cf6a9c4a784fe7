"""Sentences of the screen in the language of whoever looks."""

from __future__ import annotations

from firmware.workflow.screen import Text

LANGUAGES = {"en": "English", "ar": "العربية"}
_RIGHT_TO_LEFT = frozenset({"ar"})


def t(text: Text, language: str) -> str:
    """Return the sentence in that language, its values filled in; the English one where it has none."""
    message = text.message if text.number == 1 or not text.plural else text.plural
    values = {name: t(value, language) if isinstance(value, Text) else value for name, value in text.values}
    return message.format_map(values)


def direction(language: str) -> str:
    """Return the direction of writing, as HTML says it."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"
