"""Desired and reported states at the wire's edge: protobuf to values and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from aggregator.fields import counted, digest, known, text
from aggregator.malformed import Malformed
from aggregator.unpacking import MAX_TEXT
from aidpost.v1 import state_pb2
from trust.state import (
    MAX_VALUE_BYTES,
    MAX_VERSION,
    SETTING,
    Artifact,
    ArtifactKind,
    DesiredResult,
    DesiredState,
    Refusal,
    ReportedState,
    ServiceWindow,
)

MAX_SETTINGS = 500  # an appliance's file has about a hundred
MAX_REPORT_BYTES = 256 << 10  # one of an appliance has about 3 kB, and the newest of each is kept
MAX_REFUSALS = 100
MAX_FIELD = 200
_SETTING = re.compile(SETTING)

ARTIFACT_KINDS = {
    state_pb2.ARTIFACT_KIND_SOFTWARE: ArtifactKind.SOFTWARE,
    state_pb2.ARTIFACT_KIND_MODELS: ArtifactKind.MODELS,
    state_pb2.ARTIFACT_KIND_OPERATING_POINT: ArtifactKind.OPERATING_POINT,
    state_pb2.ARTIFACT_KIND_POLICY: ArtifactKind.POLICY,
}
_KINDS_OF_ARTIFACTS = {kind: message for message, kind in ARTIFACT_KINDS.items()}
_RESULTS = {
    state_pb2.DESIRED_RESULT_WAITING: DesiredResult.WAITING,
    state_pb2.DESIRED_RESULT_APPLIED: DesiredResult.APPLIED,
    state_pb2.DESIRED_RESULT_REFUSED: DesiredResult.REFUSED,
    state_pb2.DESIRED_RESULT_ROLLED_BACK: DesiredResult.ROLLED_BACK,
}
_RESULTS_AS_MESSAGES = {result: message for message, result in _RESULTS.items()}


def parse_reported(message: state_pb2.ReportedState) -> ReportedState:
    """Return what a device reports; raises Malformed."""
    if message.ByteSize() > MAX_REPORT_BYTES:
        raise Malformed(f"a reported state has at most {MAX_REPORT_BYTES} bytes")
    if len(message.refusals) > MAX_REFUSALS or len(message.known_settings) > MAX_SETTINGS:
        raise Malformed(f"at most {MAX_REFUSALS} refusals and {MAX_SETTINGS} settings can be reported")
    artifacts = tuple(map(parse_artifact, message.artifacts))
    if len({artifact.kind for artifact in artifacts}) < len(artifacts):
        raise Malformed("artifacts holds a kind twice")
    return ReportedState(
        generation=counted(message.generation, "generation"),
        result=_result(message),
        digest=digest(message.digest, "digest").hex() if message.digest else "",
        refusals=tuple(
            Refusal(text(each.field, "field", MAX_FIELD), text(each.reason, "reason", MAX_TEXT))
            for each in message.refusals
        ),
        software_version=text(message.software_version, "software_version", MAX_VERSION),
        settings=_settings(message.settings),
        artifacts=artifacts,
        known_settings=tuple(map(_name, message.known_settings)),
    )


def parse_artifact(message: state_pb2.Artifact) -> Artifact:
    """Return a file as a device or a desk names it; raises Malformed."""
    return Artifact(
        known(ARTIFACT_KINDS, message.kind, "kind"),
        text(message.version, "version", MAX_VERSION),
        digest(message.digest, "digest").hex(),
        counted(message.bytes, "bytes"),
    )


def desired(state: DesiredState) -> state_pb2.DesiredState:
    """Return what a device should be as a message."""
    return state_pb2.DesiredState(
        generation=state.generation,
        settings=settings(state.settings),
        artifacts=map(artifact, state.artifacts),
        window=None if state.window is None else window(state.window),
        digest=bytes.fromhex(state.digest()),
    )


def reported(state: ReportedState) -> state_pb2.ReportedState:
    """Return what a device reported as a message."""
    return state_pb2.ReportedState(
        generation=state.generation,
        result=_RESULTS_AS_MESSAGES[state.result],
        digest=bytes.fromhex(state.digest),
        refusals=[state_pb2.Refusal(field=each.field, reason=each.reason) for each in state.refusals],
        software_version=state.software_version,
        settings=settings(state.settings),
        artifacts=map(artifact, state.artifacts),
        known_settings=state.known_settings,
    )


def settings(values: dict[str, str]) -> list[state_pb2.Setting]:
    """Return settings in order of their names."""
    return [state_pb2.Setting(name=name, value=value) for name, value in sorted(values.items())]


def artifact(value: Artifact) -> state_pb2.Artifact:
    """Return a file's name and size."""
    return state_pb2.Artifact(
        kind=_KINDS_OF_ARTIFACTS[value.kind],
        version=value.version,
        digest=bytes.fromhex(value.digest),
        bytes=value.size_bytes,
    )


def window(value: ServiceWindow) -> state_pb2.ServiceWindow:
    """Return when changes may be taken up."""
    return state_pb2.ServiceWindow(
        time_zone=value.time_zone,
        weekdays=value.weekdays,
        start=Duration(seconds=value.start_s),
        end=Duration(seconds=value.end_s),
    )


def _result(message: state_pb2.ReportedState) -> DesiredResult:
    """Return what became of the newest; before the first there is nothing that could not be applied."""
    if message.generation == 0 and message.result == state_pb2.DESIRED_RESULT_UNSPECIFIED:
        return DesiredResult.APPLIED
    return known(_RESULTS, message.result, "result")


def _settings(messages: Iterable[state_pb2.Setting]) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in messages:
        name = _name(message.name)
        if name in found or len(found) == MAX_SETTINGS:
            raise Malformed(f"settings holds a name twice, or more than {MAX_SETTINGS}")
        if len(message.value.encode()) > MAX_VALUE_BYTES:
            raise Malformed(f"the value of a setting has at most {MAX_VALUE_BYTES} bytes")
        found[name] = message.value
    return found


def _name(name: str) -> str:
    if not _SETTING.fullmatch(name):
        raise Malformed("a setting is named by table and key of the appliance's file, as session.tries")
    return name
