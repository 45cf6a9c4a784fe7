"""IngestService: one batch in one call, for networks that let no stream through."""

from __future__ import annotations

from typing import Any

import grpc
from structlog.typing import FilteringBoundLogger

from aggregator import codec
from aggregator.link import ending
from aggregator.link.admission import Admissions
from aggregator.link.ending import LinkEnded
from aggregator.malformed import Malformed
from aggregator.store.errors import StoreError
from aggregator.store.writer import StoreWriter
from aidpost.v1 import ingest_pb2, ingest_pb2_grpc


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Takes a batch as the stream does, with the same checks."""

    def __init__(
        self, store: StoreWriter, admissions: Admissions, max_batch_events: int, log: FilteringBoundLogger
    ) -> None:
        self._store = store
        self._admissions = admissions
        self._max_batch_events = max_batch_events
        self._log = log

    async def ReportResults(  # noqa: N802
        self,
        request: ingest_pb2.ReportResultsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> ingest_pb2.ReportResultsResponse:
        """Store one batch and acknowledge it."""
        log = self._log.bind(peer=self._admissions.who(context))
        try:
            return await self._report(request, context, log)
        except LinkEnded as ended:
            self._admissions.note_end(ended, context, log)
            await ended.abort(context)

    async def _report(
        self,
        request: ingest_pb2.ReportResultsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
        log: FilteringBoundLogger,
    ) -> ingest_pb2.ReportResultsResponse:
        try:
            hello, batch = codec.parse_report(request, max_events=self._max_batch_events)
        except Malformed as error:
            raise ending.malformed(error) from error
        log = log.bind(device_id=hello.device_id)
        admitted = await self._admissions.admit(hello, context, log)
        try:
            kept = await self._store.keep(admitted, batch)
        except StoreError as error:
            raise ending.not_stored(error) from error
        self._admissions.check(kept, log)
        return ingest_pb2.ReportResultsResponse(
            ack=self._admissions.acknowledge(admitted, kept), receipt_key=self._admissions.receipt_key
        )
