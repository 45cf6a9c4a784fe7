"""Keyed transforms of templates: what a gallery stores is of use with its key alone (ISO/IEC 24745)."""
