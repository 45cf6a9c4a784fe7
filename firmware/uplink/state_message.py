"""Desired and reported states as they go over the link."""

from __future__ import annotations

import msgspec

from aidpost.v1 import state_pb2
from trust.state import (
    MAX_VERSION,
    Artifact,
    ArtifactKind,
    DesiredResult,
    DesiredState,
    Refusal,
    ReportedState,
    ServiceWindow,
)

# What the aggregator takes at most: a report that it does not take would end every stream.
MAX_REFUSALS = 100
MAX_FIELD = 200
MAX_REASON = 200
_DIGEST_BYTES = 32
_MAX_INT64 = 2**63 - 1
_KINDS = {
    ArtifactKind.SOFTWARE: state_pb2.ARTIFACT_KIND_SOFTWARE,
    ArtifactKind.MODELS: state_pb2.ARTIFACT_KIND_MODELS,
    ArtifactKind.OPERATING_POINT: state_pb2.ARTIFACT_KIND_OPERATING_POINT,
    ArtifactKind.POLICY: state_pb2.ARTIFACT_KIND_POLICY,
}
_KINDS_OF_MESSAGES = {message: kind for kind, message in _KINDS.items()}
_RESULTS = {
    DesiredResult.WAITING: state_pb2.DESIRED_RESULT_WAITING,
    DesiredResult.APPLIED: state_pb2.DESIRED_RESULT_APPLIED,
    DesiredResult.REFUSED: state_pb2.DESIRED_RESULT_REFUSED,
    DesiredResult.ROLLED_BACK: state_pb2.DESIRED_RESULT_ROLLED_BACK,
}


class Desired(msgspec.Struct, frozen=True):
    """A desired state as it came; refusals: what this version cannot read of it: it is refused whole."""

    state: DesiredState
    refusals: tuple[Refusal, ...] = ()


def from_message(message: state_pb2.DesiredState) -> Desired | None:
    """Return what is desired, None where nothing says which generation it is."""
    if not 0 < message.generation <= _MAX_INT64:
        return None
    refusals: list[Refusal] = []
    settings = {each.name: each.value for each in message.settings}
    if len(settings) < len(message.settings):
        refusals.append(Refusal("settings", "one is desired twice: desire it once"))
    artifacts: dict[ArtifactKind, Artifact] = {}
    for each in message.artifacts:
        kind = _KINDS_OF_MESSAGES.get(each.kind)
        if kind is None:
            said = f"this version knows no file of kind {each.kind}: desire newer software first"
            refusals.append(Refusal("artifacts", said))
        elif kind in artifacts or len(each.digest) != _DIGEST_BYTES or not 0 < each.bytes <= _MAX_INT64:
            said = "it needs one file with its size and its digest of 32 bytes: desire it again"
            refusals.append(Refusal(f"artifacts.{kind.value}", said))
        else:
            artifacts[kind] = Artifact(kind, each.version, each.digest.hex(), each.bytes)
    window = _window(message.window) if message.HasField("window") else None
    state = DesiredState(message.generation, settings, tuple(artifacts.values()), window)
    if not refusals and state.digest() != message.digest.hex():
        said = "what came is not what its digest says: the desk and this appliance count otherwise"
        refusals.append(Refusal("digest", said))
    return Desired(state, tuple(refusals))


def to_message(state: ReportedState) -> state_pb2.ReportedState:
    """Return what an appliance says that it is."""
    settings = sorted(state.settings.items())
    return state_pb2.ReportedState(
        generation=state.generation,
        result=_RESULTS[state.result],
        digest=bytes.fromhex(state.digest),
        refusals=[
            state_pb2.Refusal(field=_plain(each.field, MAX_FIELD), reason=_plain(each.reason, MAX_REASON))
            for each in state.refusals[:MAX_REFUSALS]
        ],
        software_version=state.software_version,
        settings=[state_pb2.Setting(name=name, value=value) for name, value in settings],
        artifacts=[
            state_pb2.Artifact(
                kind=_KINDS[each.kind],
                version=_plain(each.version, MAX_VERSION),
                digest=bytes.fromhex(each.digest),
                bytes=each.size_bytes,
            )
            for each in state.artifacts
        ],
        known_settings=state.known_settings,
    )


def _plain(text: str, most: int) -> str:
    """Return a text of one line and at most so many characters, whatever a file or a desk put into it."""
    return "".join(each if each.isprintable() else " " for each in text[:most])


def _window(message: state_pb2.ServiceWindow) -> ServiceWindow:
    return ServiceWindow(
        message.time_zone, message.start.seconds, message.end.seconds, tuple(message.weekdays)
    )
