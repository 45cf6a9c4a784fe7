"""Faults of inference; every message says what to do next."""

from __future__ import annotations


class InferenceError(Exception):
    """Base of the faults of inference."""


class ModelRefused(InferenceError, ValueError):
    """A model file is missing, damaged or not the one that its card names."""


class RuntimeUnavailable(InferenceError, ImportError):
    """No TFLite runtime of the configured name is installed."""


class OperatingPointRefused(InferenceError, ValueError):
    """An operating-point file is damaged or belongs to other models or comparators."""


class TemplateDamaged(InferenceError, ValueError):
    """The bytes are no template, or hold values that no extractor gives."""


class ComparisonRefused(InferenceError, ValueError):
    """Two templates cannot be compared: another model or another runtime made one of them."""


class OtherProtectionKey(ComparisonRefused):
    """A template was protected under another key than the gallery's."""

    def __init__(self, key_id: bytes, expected: bytes) -> None:
        super().__init__(
            f"a template is protected under the key {key_id.hex()}, and this gallery's is {expected.hex()}: "
            "bring it in through the gallery that it belongs to, or register the person anew"
        )
        self.key_id = key_id
        self.expected = expected


class RecordRefused(InferenceError, ValueError):
    """A file of a standard's format is damaged, lies about itself, or holds what cannot be used here."""
