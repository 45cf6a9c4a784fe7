"""Results as files, by the signed export policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aggregator.export import iso
from aggregator.exporting.desk import ExportDesk, Exported, Wanted
from aggregator.exporting.policy import ExportRefused, FileForm
from aggregator.link.fleet.calls import Context, FleetCalls, moment_ns
from aggregator.link.refusing import bad_field, not_now
from aggregator.store import administration
from aidpost.v1 import export_pb2, fleet_pb2_grpc

CHUNK_BYTES = 64 * 1024
_FORMS: dict[export_pb2.ExportFormat.ValueType, FileForm] = {
    export_pb2.EXPORT_FORMAT_CSV: "csv",
    export_pb2.EXPORT_FORMAT_PARQUET: "parquet",
    export_pb2.EXPORT_FORMAT_FHIR: "fhir",
}


class Exporting(fleet_pb2_grpc.FleetServiceServicer):
    """Hands out results; who got what is in the audit log before the first byte goes."""

    _calls: FleetCalls
    _export_desk: ExportDesk

    async def ExportResults(  # noqa: N802
        self, request: export_pb2.ExportResultsRequest, context: Context
    ) -> AsyncIterator[export_pb2.ExportResultsResponse]:
        """Write the file, note it, and send it."""
        form = _FORMS.get(request.format)
        if form is None:
            raise bad_field("format", "write csv, parquet or fhir")
        # "from" is a word of Python's: the generated class has it by name alone.
        from_ns, to_ns = moment_ns("from", getattr(request, "from")), moment_ns("to", request.to)
        wanted = Wanted(request.recipient, form, from_ns, to_ns, tuple(request.sites))
        try:
            made = await asyncio.to_thread(self._export_desk.export, wanted)
        except ExportRefused as refused:
            raise not_now("EXPORT_POLICY", wanted.recipient, str(refused)) from refused
        with made.file:
            subject = _subject(wanted, made)
            await self._calls.do(
                context,
                lambda db, now_ns, actor: administration.append(db, now_ns, actor, "export", subject),
            )
            while data := await asyncio.to_thread(made.file.read, CHUNK_BYTES):
                yield export_pb2.ExportResultsResponse(data=data)


def _subject(wanted: Wanted, made: Exported) -> str:
    sites = ", ".join(wanted.sites) or "all sites allowed"
    return (
        f"{wanted.recipient}: {made.rows} rows as {wanted.form}, arrived {iso(wanted.from_ns)} to "
        f"{iso(wanted.to_ns)}, {sites}, sha256 {made.digest}"
    )
