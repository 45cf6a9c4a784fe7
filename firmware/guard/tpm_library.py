"""Whether tpm2-pytss is there, which alone knows how to talk to a TPM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trust.keys.errors import GuardUnavailable


@contextmanager
def tpm_library() -> Iterator[None]:
    """Import `firmware.guard.tpm` within. Raises GuardUnavailable where tpm2-pytss is missing."""
    os.environ.setdefault("TSS2_LOG", "all+none")  # it would write to stderr; errors come as exceptions
    try:
        yield
    except ImportError as error:
        raise GuardUnavailable(
            f"the `tpm` guard needs tpm2-pytss ({error}): install Debian's libtss2-dev and the extra, "
            "`pip install aidpost[tpm]`"
        ) from error
