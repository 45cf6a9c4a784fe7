"""A device at the wire: speaks DeviceLinkService with raw protobuf, well or badly, and keeps no outbox."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from aidpost.v1 import batch_pb2, event_pb2, link_pb2, state_pb2
from firmware.uplink.packing import pack
from trust.chain import first_link, next_link

METHOD = "/aidpost.v1.DeviceLinkService/Connect"
EPOCH = b"epoch-0123456789"
BOOT_ID = b"boot--0123456789"
START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
PATIENCE_S = 60.0
SITE = "north-gate"
_generations = itertools.count(1)


def check_in(
    seq: int, outcome: event_pb2.Outcome.ValueType = event_pb2.OUTCOME_MATCH, *, salt: str = ""
) -> event_pb2.Event:
    """Return a check-in that depends on its number alone; salt: makes another with the same number."""
    matched = outcome in (event_pb2.OUTCOME_MATCH, event_pb2.OUTCOME_SUGGESTION)
    return event_pb2.Event(
        seq=seq,
        moment=moment(seq),
        check_in=event_pb2.CheckIn(
            record_id=digest(f"record {seq} {salt}"),
            mode=event_pb2.MODE_VERIFY,
            outcome=outcome,
            entry_id=digest(f"entry {seq % 7}") if matched else b"",
            reason="" if matched else "too_dry",
            modalities=[event_pb2.MODALITY_FINGER],
            tries=1 + seq % 3,
            score_hundredths=825 if matched else -350,
            threshold_hundredths=650,
            operating_point="clinic 0123abcd",
            gallery_size=100,
            stages=[
                event_pb2.StageTime(stage="capture", tenths_ms=8_120),
                event_pb2.StageTime(stage="compare", tenths_ms=34),
            ],
        ),
    )


def registration(seq: int) -> event_pb2.Event:
    """Return a registration with one face and two fingers."""
    return event_pb2.Event(
        seq=seq,
        moment=moment(seq),
        registration=event_pb2.Registration(
            record_id=digest(f"registration {seq}"),
            entry_id=digest(f"entry {seq}"),
            consent=event_pb2.CONSENT_ACCEPTED,
            notice_version="2026-01",
            notice_language="so",
            face_templates=1,
            finger_templates=2,
        ),
    )


def device_fault(seq: int, *, recovered: bool = False) -> event_pb2.Event:
    """Return a fault of the camera, or its end."""
    return event_pb2.Event(
        seq=seq,
        moment=moment(seq),
        device_fault=event_pb2.DeviceFault(part="camera", recovered=recovered, kind="SensorTimeout"),
    )


def moment(seq: int) -> event_pb2.Moment:
    """Return the moment of an event: one a second."""
    return event_pb2.Moment(
        boot_id=BOOT_ID,
        monotonic_ms=seq * 1000,
        wall_ms=START_NS // 1_000_000 + seq * 1000,
        clock_quality=event_pb2.CLOCK_QUALITY_SYNCHRONISED,
    )


def digest(text: str) -> bytes:
    """Return 16 bytes that look random and are not."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended; retry_s: from google.rpc.RetryInfo; acked_seq: the last one on the way."""

    code: grpc.StatusCode
    message: str
    retry_s: float | None
    acked_seq: int | None


class Chained:
    """Packs events as a device chains them; what is left out counts as the `check_in` of its number."""

    def __init__(self, device_id: str, epoch: bytes) -> None:
        self._links = [first_link(device_id, epoch)]
        self._given: dict[int, event_pb2.Event] = {}

    def pack(self, events: Iterable[event_pb2.Event]) -> batch_pb2.EventBatch:
        events = list(events)
        self._given.update({event.seq: event for event in events})
        seqs = [event.seq for event in events]
        if not seqs or seqs != sorted(set(seqs)) or not 0 < seqs[-1] < 100_000:
            return pack(events, bytes(32))
        del self._links[seqs[0] :]
        while len(self._links) <= seqs[-1]:
            seq = len(self._links)
            event = self._given.get(seq) or check_in(seq)
            self._links.append(next_link(self._links[-1], event.SerializeToString(deterministic=True)))
        return pack(events, self._links[seqs[-1]])


class LinkDevice:
    """One stream of one device. Everything that waits gives up after ten seconds."""

    def __init__(
        self, channel: grpc.aio.Channel, device_id: str = "desk-1", epoch: bytes = EPOCH, site: str = SITE
    ) -> None:
        self.device_id, self.site = device_id, site
        self.epoch = epoch
        self.instance = secrets.token_bytes(16)
        self.chained = Chained(device_id, epoch)
        self._call: grpc.aio.StreamStreamCall[link_pb2.ConnectRequest | bytes, link_pb2.ConnectResponse]
        self._call = channel.stream_stream(
            METHOD,
            request_serializer=_serialized,
            response_deserializer=link_pb2.ConnectResponse.FromString,
        )()

    async def write(self, request: link_pb2.ConnectRequest | bytes) -> None:
        """Send any message, or bytes that are none."""
        async with asyncio.timeout(PATIENCE_S):
            await self._call.write(request)

    async def read(self) -> link_pb2.ConnectResponse:
        """Return the next message; raises grpc.aio.AioRpcError when the stream ended instead."""
        async with asyncio.timeout(PATIENCE_S):
            response = await self._call.read()
        if not isinstance(response, link_pb2.ConnectResponse):
            raise EOFError("the server hung up")
        return response

    async def send_hello(self, last_seq: int = 1_000_000, generation: int | None = None) -> None:
        """Send a hello and do not wait for the answer; generation: a higher one each time by default."""
        hello = link_pb2.Hello(
            device_id=self.device_id,
            epoch=self.epoch,
            last_seq=last_seq,
            software_version="0.1.0",
            site=self.site,
            generation=next(_generations) if generation is None else generation,
            instance=self.instance,
        )
        await self.write(link_pb2.ConnectRequest(hello=hello))

    async def hello(self, last_seq: int = 1_000_000) -> link_pb2.Welcome:
        """Say hello; return the welcome."""
        await self.send_hello(last_seq)
        response = await self.read()
        assert response.WhichOneof("message") == "welcome"
        return response.welcome

    async def send(self, events: Iterable[event_pb2.Event]) -> None:
        """Send one batch and do not wait for its acknowledgement."""
        await self.write(link_pb2.ConnectRequest(batch=self.chained.pack(events)))

    async def ack(self) -> int:
        """Return the next acknowledgement."""
        response = await self.read()
        assert response.WhichOneof("message") == "ack", response
        return response.ack.seq

    async def acked(self, seq: int) -> None:
        """Wait until everything up to seq is acknowledged."""
        while await self.ack() < seq:
            pass

    async def report(self, events: Iterable[event_pb2.Event]) -> int:
        """Send one batch; return what was acknowledged after it."""
        await self.send(events)
        return await self.ack()

    async def report_state(
        self,
        desired: state_pb2.DesiredState | None,
        result: state_pb2.DesiredResult.ValueType,
        **said: object,
    ) -> None:
        """Report what became of a desired state; said: other fields of the report."""
        fields: dict[str, object] = {"software_version": "0.1.0", "result": result}
        if desired is not None:
            fields |= {"generation": desired.generation, "known_settings": [s.name for s in desired.settings]}
            if result == state_pb2.DESIRED_RESULT_APPLIED:
                fields |= {
                    "digest": desired.digest,
                    "settings": desired.settings,
                    "artifacts": desired.artifacts,
                }
        reported = state_pb2.ReportedState(**(fields | said))  # type: ignore[arg-type]
        await self.write(link_pb2.ConnectRequest(reported=reported))

    async def desired(self) -> state_pb2.DesiredState:
        """Return what the device is told to be, which has to be the next message."""
        response = await self.read()
        assert response.WhichOneof("message") == "desired", response
        return response.desired

    async def done_writing(self) -> None:
        """Hang up politely."""
        await self._call.done_writing()

    async def ending(self) -> Ending:
        """Wait for the end of the stream, past the messages that come before it."""
        acked_seq = None
        async with asyncio.timeout(PATIENCE_S):
            try:
                while isinstance(response := await self._call.read(), link_pb2.ConnectResponse):
                    acked_seq = response.ack.seq
            except grpc.aio.AioRpcError:
                pass  # the status says the same
            code, message = await self._call.code(), await self._call.details()
            retry_s = _retry_s(await self._call.trailing_metadata())
            return Ending(code, message or "", retry_s, acked_seq)

    def break_off(self) -> None:
        """Go away without a word."""
        self._call.cancel()


@asynccontextmanager
async def dialled(target: str) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to the aggregator, with connections of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        yield channel


async def health(channel: grpc.aio.Channel, service: str = "") -> str:
    """Return what the health service says: SERVING or NOT_SERVING."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def reflected_services(channel: grpc.aio.Channel) -> set[str]:
    """Return the services that reflection lists."""
    call = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(timeout=PATIENCE_S)
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    call.cancel()
    assert isinstance(answer, reflection_pb2.ServerReflectionResponse)
    return {service.name for service in answer.list_services_response.service}


def _serialized(request: link_pb2.ConnectRequest | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _retry_s(metadata: grpc.aio.Metadata | None) -> float | None:
    for key, value in metadata or ():
        if key == "grpc-status-details-bin":
            info = RetryInfo()
            for detail in Status.FromString(value).details:
                if detail.Unpack(info):
                    delay: Duration = info.retry_delay
                    return delay.seconds + delay.nanos / 1e9
    return None


def hello(**fields: object) -> link_pb2.ConnectRequest:
    """Return a hello of the device bad-1, with some fields changed."""
    good = {
        "device_id": "bad-1",
        "epoch": EPOCH,
        "last_seq": 9,
        "site": "gate",
        "software_version": "1",
        "generation": 1,
        "instance": EPOCH,
    }
    return link_pb2.ConnectRequest(hello=link_pb2.Hello(**(good | fields)))  # type: ignore[arg-type]
