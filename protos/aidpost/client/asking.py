"""What devices are asked to do, and what they hand in: commands, diagnostics, live logs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from aidpost.client.sending import REQUEST_ID_BYTES, request_id
from aidpost.client.subject import Subject, duration
from aidpost.v1 import event_pb2, export_pb2, fleet_pb2

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as it was taken; command_id: 16 bytes. It is done once, until then."""

    command_id: bytes
    expires_at: Timestamp


class Asking(Subject):
    """Commands and what comes of them."""

    def send_command(
        self,
        device_id: str,
        kind: event_pb2.CommandKind.ValueType,
        lifetime: timedelta = DAY,
        lasting: timedelta | None = None,
    ) -> Sent:
        """Ask a device for something; lasting: of a support session or a live log."""
        command_id = secrets.token_bytes(REQUEST_ID_BYTES)
        request = fleet_pb2.SendCommandRequest(
            command_id=command_id,
            device_id=device_id,
            kind=kind,
            lifetime=duration(lifetime),
            duration=None if lasting is None else duration(lasting),
        )
        answer = self._sending.safely(self._service.SendCommand, request)
        return Sent(command_id, answer.expires_at)

    def send_commands(
        self,
        filter: str,  # noqa: A002
        kind: event_pb2.CommandKind.ValueType,
        expected_devices: int,
        lifetime: timedelta = DAY,
        lasting: timedelta | None = None,
    ) -> Sequence[bytes]:
        """Ask all devices of a filter, if it matches as many as expected. Returns the commands' ids."""
        request = fleet_pb2.SendCommandsRequest(
            filter=filter,
            kind=kind,
            lifetime=duration(lifetime),
            duration=None if lasting is None else duration(lasting),
            request_id=request_id(),
            expected_devices=expected_devices,
        )
        return self._sending.safely(self._service.SendCommands, request).command_ids

    def cancel_command(self, command_id: bytes) -> None:
        """Take a command back that was not delivered yet."""
        request = fleet_pb2.CancelCommandRequest(command_id=command_id)
        self._sending.once(self._service.CancelCommand, request)

    def list_commands(self, device_id: str = "") -> Iterator[fleet_pb2.CommandState]:
        """Yield what devices were asked, the latest first."""
        request = fleet_pb2.ListCommandsRequest(device_id=device_id)
        return self._sending.pages(self._service.ListCommands, request, lambda page: page.commands)

    def list_diagnostics(self, device_id: str = "") -> Iterator[export_pb2.DiagnosticBundle]:
        """Yield the diagnostic bundles that devices handed in."""
        request = export_pb2.ListDiagnosticsRequest(device_id=device_id)
        return self._sending.pages(self._service.ListDiagnostics, request, lambda page: page.bundles)

    def fetch_diagnostics(self, command_id: bytes, offset: int = 0) -> Iterator[bytes]:
        """Yield a bundle's bytes from an offset on; after a broken link, go on from what is held."""
        request = export_pb2.FetchDiagnosticsRequest(command_id=command_id, offset=offset)
        for answer in self._sending.streamed(self._service.FetchDiagnostics(request)):
            yield answer.data

    def follow_log(self, command_id: bytes) -> Iterator[str]:
        """Yield log lines (JSON) as a device sends them, until its TAIL_LOG command ends."""
        request = export_pb2.FollowLogRequest(command_id=command_id)
        for answer in self._sending.streamed(self._service.FollowLog(request)):
            yield from answer.lines

    def export_results(self, request: export_pb2.ExportResultsRequest) -> Iterator[bytes]:
        """Yield a file of results, as the export policy allows."""
        for answer in self._sending.streamed(self._service.ExportResults(request)):
            yield answer.data
