"""What a stream and a single report share: letting a device in, and acknowledging what it reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

import grpc
from structlog.typing import FilteringBoundLogger

from aggregator import codec
from aggregator.link import ending
from aggregator.link.ending import LinkEnded
from aggregator.link.presence import Presence
from aggregator.receipts import ReceiptKey
from aggregator.records import Credit, Hello
from aggregator.store.errors import StoreError
from aggregator.store.identities import Barred, Copied
from aggregator.store.ingest import Admitted, Kept, OutboxBehind
from aggregator.store.writer import StoreWriter
from aidpost.v1 import link_pb2
from trust.chain import Receipt
from trust.names import DeviceName
from trust.tls.callers import Callers
from trust.tls.refusals import Refusals, clean

BUSY_BACKLOG = 64  # batches that wait for one commit; its time is then felt by everybody
BUSY_SHARE = 8  # a busy server grants an eighth, which is still a batch and more
_REFUSALS = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)


class Admissions:
    """Lets devices in, says how much they may send, and signs what is held.

    callers: who is at the other end; None in a development server, which asks nobody for a certificate.
    """

    def __init__(
        self,
        store: StoreWriter,
        presence: Presence,
        callers: Callers | None,
        refusals: Refusals,
        receipt_key: ReceiptKey,
        credit: Credit,
        wall_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._presence = presence
        self._callers = callers
        self._refusals = refusals
        self._key = receipt_key
        self._credit = credit
        self._wall_ns = wall_ns

    async def admit(
        self,
        hello: Hello,
        context: grpc.aio.ServicerContext[Any, Any],
        log: FilteringBoundLogger,
        worker: str = "",
    ) -> Admitted:
        """Note the device and its outbox; raises LinkEnded.

        worker: who holds its stream from now on, where there are several.
        """
        serial = self._serial(context, hello)
        try:
            admission = await self._store.admit(hello, serial, worker)
        except StoreError as error:
            raise ending.not_stored(error) from error
        match admission:
            case OutboxBehind():
                if admission.first_time:
                    log.error("link.outbox_behind", last_seq=hello.last_seq, held_seq=admission.held_seq)
                raise ending.outbox_behind(admission.held_seq)
            case Barred():
                raise ending.barred(admission.standing)
            case Copied():
                log.error("link.copied", generation=hello.generation)
                self._presence.end(hello.device_id, ending.held())
                raise ending.held()
            case Admitted():
                return admission
            case _:
                assert_never(admission)

    def who(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        """Return who calls, for the logs."""
        if self._callers is None:
            return clean(context.peer())
        caller = self._callers.of(context)
        return f"{caller} at {caller.address}"

    def note_end(
        self, ended: LinkEnded, context: grpc.aio.ServicerContext[Any, Any], log: FilteringBoundLogger
    ) -> None:
        """Log why a call ends; a refusal, which a device may cause without end, once."""
        if ended.code in _REFUSALS:
            self._refusals.note(self.who(context), ended.message, code=ended.code.name)
        else:
            log.info("link.ended", code=ended.code.name, why=ended.message)

    def welcome(self, admitted: Admitted, max_events: int) -> link_pb2.ConnectResponse:
        """Return the answer to a hello."""
        return codec.welcome(
            admitted.acked_seq, self._wall_ns(), max_events, self._granted(), self._key.public
        )

    def check(self, kept: Kept, log: FilteringBoundLogger) -> None:
        """Log what does not hold; raises LinkEnded for what contradicts what is held, or came too late."""
        if kept.superseded:
            raise ending.superseded()
        if kept.new_breaks:
            log.error("link.chain_broken", ranges=kept.new_breaks)
        if kept.new_conflicts:
            log.error("link.conflict", seqs=kept.new_conflicts[:20], count=len(kept.new_conflicts))
        if kept.conflicts:
            raise ending.conflicting(kept.conflicts)

    def acknowledge(self, admitted: Admitted, kept: Kept) -> link_pb2.Ack:
        """Return the acknowledgement of everything up to what was kept last."""
        now_ns = self._wall_ns()
        signature = b""
        if kept.chain_head is not None:
            signature = self._key.sign(
                Receipt(admitted.device_id, admitted.epoch, kept.acked_seq, kept.chain_head, now_ns)
            )
        return codec.ack(kept.acked_seq, now_ns, self._granted(), signature)

    @property
    def receipt_key(self) -> bytes:
        """The public key that signs."""
        return self._key.public

    def _serial(self, context: grpc.aio.ServicerContext[Any, Any], hello: Hello) -> int | None:
        """Return the serial number of the device's certificate; raises LinkEnded where it is another's."""
        if self._callers is None:
            return None
        peer = self._callers.of(context).peer
        if peer is None or peer.named != DeviceName(hello.device_id, hello.site):
            raise ending.other_device()
        return peer.serial

    def _granted(self) -> Credit:
        if self._store.backlog < BUSY_BACKLOG:
            return self._credit
        return Credit(self._credit.events // BUSY_SHARE, self._credit.bytes // BUSY_SHARE)
