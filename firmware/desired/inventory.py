"""What files are in use, those of the software too, as the desk is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from firmware.config import Config
from firmware.desired.shelf import SMALL
from firmware.desired.terms import InUse
from firmware.policy import DataPolicy
from inference import operating_point
from inference.models.catalogue import DIGEST_CHARACTERS, Catalogue
from trust.signed_file import SUFFIX
from trust.state import Artifact, ArtifactKind


def model_set(catalogue: Catalogue | None = None) -> Artifact:
    """Return the models as one file would be: its digest is over their cards' digests, in order of names."""
    models = catalogue or Catalogue()
    cards = [models.card(name) for name in models.names()]
    digest = hashlib.sha256("\n".join(card.sha256 for card in cards).encode()).hexdigest()
    # In short: the names of all four with their digests are longer than a version may be.
    version = f"{len(cards)} models {digest[:DIGEST_CHARACTERS]}"
    return Artifact(ArtifactKind.MODELS, version, digest, 0)


def files_in_use(
    config: Config,
    used: InUse | None,
    models: Artifact,
    point_name: str,
    policy: DataPolicy | None,
    version: str,
) -> Sequence[Artifact]:
    """Return each kind once, in order.

    point_name: of the operating point that the matcher has. version: of the software that runs.
    """
    found = {ArtifactKind.MODELS: models}
    point = config.inference.operating_point or operating_point.DEFAULT
    found[ArtifactKind.OPERATING_POINT] = _file(ArtifactKind.OPERATING_POINT, point_name, point)
    if config.retention is not None and policy is not None:
        path = config.retention.policy
        found[ArtifactKind.POLICY] = _file(
            ArtifactKind.POLICY, str(policy.edition), path, path.with_name(path.name + SUFFIX)
        )
    for each in () if used is None else used.artifacts:
        # Of models and software what is here counts: they come with an update by hand, too.
        if each.kind in SMALL or (each.kind is ArtifactKind.SOFTWARE and each.version == version):
            found[each.kind] = each
    return sorted(found.values(), key=lambda each: each.kind.value)


def _file(kind: ArtifactKind, version: str, *paths: Path) -> Artifact:
    content = b"".join(path.read_bytes() for path in paths)
    return Artifact(kind, version, hashlib.sha256(content).hexdigest(), len(content))
