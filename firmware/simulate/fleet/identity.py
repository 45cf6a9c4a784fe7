"""How the devices of a virtual fleet join: as real ones do, by claim, request, approval and certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import grpc
import grpc.aio
import msgspec

from aidpost.client import Credential, FleetClient
from aidpost.v1 import enrolment_pb2, enrolment_pb2_grpc
from firmware.uplink.channel import Target, open_channel
from trust import certificates
from trust.checking import key_words, public_key_der
from trust.claim import Claim
from trust.names import DeviceName

AT_A_TIME = 16
OF_ONE_CONNECTION = 8  # the gate lets 64 KiB through for a caller without a certificate
ANSWER_TIMEOUT_S = 60.0
CLAIM_LIFE = timedelta(hours=1)


class VirtualIdentity(msgspec.Struct, frozen=True):
    """What a device shows; key, certificate: PEM."""

    device_id: str
    site: str
    key: bytes
    certificate: bytes


async def join_all(
    target: Target,
    credential: Credential,
    fleet: FleetClient,
    names: Sequence[DeviceName],
    on_joined: Callable[[], None],
) -> list[VirtualIdentity]:
    """Let all devices join; `fleet` approves them. Raises FleetError and grpc.aio.AioRpcError."""
    groups = [names[start : start + OF_ONE_CONNECTION] for start in range(0, len(names), OF_ONE_CONNECTION)]
    room = asyncio.Semaphore(AT_A_TIME)
    tls = grpc.ssl_channel_credentials(credential.authority)

    async def join_group(group: Sequence[DeviceName]) -> list[VirtualIdentity]:
        joined = []
        async with room, open_channel(target, tls) as channel:
            for named in group:
                joined.append(await _join(channel, fleet, named))
                on_joined()
        return joined

    return [each for joined in await asyncio.gather(*map(join_group, groups)) for each in joined]


async def _join(channel: grpc.aio.Channel, fleet: FleetClient, named: DeviceName) -> VirtualIdentity:
    key = certificates.new_key()
    claim = await asyncio.to_thread(fleet.create_claim, named.site, CLAIM_LIFE)
    request = enrolment_pb2.JoinRequest(
        certificate_request=certificates.to_der(certificates.make_request(named, key)),
        claim_secret=Claim.parse(claim.code).secret,
    )
    service: enrolment_pb2_grpc.EnrolmentServiceAsyncStub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
    await service.Join(request, timeout=ANSWER_TIMEOUT_S)
    words = key_words(public_key_der(key.public_key()))
    await asyncio.to_thread(fleet.approve_device, named.device_id, words)
    answer = await service.Join(request, timeout=ANSWER_TIMEOUT_S)
    return VirtualIdentity(
        named.device_id,
        named.site,
        certificates.key_to_pem(key),
        certificates.to_pem(certificates.from_der(answer.approved.certificate)),
    )
