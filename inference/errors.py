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
