"""The name of the claim file, for services that only look whether it is there."""

from __future__ import annotations

NAME = "aidpost-claim.toml"
