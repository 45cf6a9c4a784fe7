"""An authority, people and devices with certificates, and channels that show them; keys in software."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.authority import Authority
from aggregator.store import identities
from aggregator.store.database import open_writer
from aggregator.store.place import Place
from aidpost.v1 import enrolment_pb2, enrolment_pb2_grpc, fleet_pb2, fleet_pb2_grpc
from tests.kit.aggregator_fixture import NOW_NS, apart
from tests.kit.link_device import PATIENCE_S, SITE
from trust import certificates
from trust.certificates import SERVER_NAME, from_der, to_der, to_pem
from trust.checking import key_words, public_key_der, read_request
from trust.claim import Claim
from trust.names import DeviceName, Named, PersonName, Role


@dataclass(frozen=True, slots=True)
class Held:
    """What a caller shows: a chain, and the key of its first certificate."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]


@dataclass(slots=True)
class DeviceIdentity:
    """A device with its key, before and after it has a certificate."""

    device_id: str
    site: str = SITE
    key: ec.EllipticCurvePrivateKey = field(default_factory=certificates.new_key)
    certificate: x509.Certificate | None = None

    @property
    def words(self) -> str:
        return key_words(public_key_der(self.key.public_key()))

    def request(self, named: Named | None = None) -> bytes:
        return to_der(certificates.make_request(named or DeviceName(self.device_id, self.site), self.key))

    def held(self) -> Held:
        assert self.certificate is not None
        session = certificates.new_key()
        leaf = certificates.make_session(self.certificate, self.key, session.public_key())
        return Held(session, (leaf, self.certificate))


def first_administrator(
    authority: Authority, store: Place, life: timedelta = timedelta(days=365), now_ns: int = NOW_NS
) -> Held:
    """Do what `init` does: the store gets its administrator."""
    key, person = certificates.new_key(), PersonName("root", Role.ADMINISTRATOR)
    made = authority.issue(read_request(to_der(certificates.make_request(person, key))), now_ns, life)

    def add() -> None:
        with open_writer(store, None) as db, db.atomic():
            identities.add_person(db, person, made, now_ns, "init")

    apart(add)
    return Held(key, (from_der(made.der),))


@asynccontextmanager
async def shown(
    target: str, authority: x509.Certificate, held: Held | None = None, *more: tuple[str, int]
) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel that shows this certificate, or none; more: options of gRPC."""
    key = None if held is None else certificates.key_to_pem(held.key)
    chain = None if held is None else to_pem(*held.chain)
    tls = grpc.ssl_channel_credentials(to_pem(authority), key, chain)
    options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1), *more]
    async with grpc.aio.secure_channel(target, tls, options) as channel:
        yield channel


async def join(
    target: str, authority: x509.Certificate, device: DeviceIdentity, claim: str | None
) -> enrolment_pb2.JoinResponse:
    """Ask once to join; keeps the certificate where there is one."""
    secret = b"" if claim is None else Claim.parse(claim).secret
    async with shown(target, authority) as channel:
        answer = await enrolment_pb2_grpc.EnrolmentServiceStub(channel).Join(
            enrolment_pb2.JoinRequest(certificate_request=device.request(), claim_secret=secret),
            timeout=PATIENCE_S,
        )
    if answer.HasField("approved"):
        device.certificate = from_der(answer.approved.certificate)
    return answer


async def joined(
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub,
    target: str,
    authority: x509.Certificate,
    device_id: str,
) -> DeviceIdentity:
    """Take a device through claim, request, approval and certificate."""
    device = DeviceIdentity(device_id)
    code = await claim_code(fleet)
    await join(target, authority, device, code)
    await fleet.ApproveDevice(
        fleet_pb2.ApproveDeviceRequest(device_id=device_id, key_words=device.words), timeout=PATIENCE_S
    )
    await join(target, authority, device, code)
    return device


async def person(fleet: fleet_pb2_grpc.FleetServiceAsyncStub, name: str, role: Role) -> Held:
    """Give a person a credential."""
    key = certificates.new_key()
    request = fleet_pb2.AddPersonRequest(
        certificate_request=to_der(certificates.make_request(PersonName(name, role), key))
    )
    request.lifetime.seconds = 7 * 24 * 3600
    return Held(key, (from_der((await fleet.AddPerson(request, timeout=PATIENCE_S)).certificate),))


async def claim_code(
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub, site: str = SITE, lifetime_s: int = 3600
) -> str:
    request = fleet_pb2.CreateClaimRequest(site=site)
    request.lifetime.seconds = lifetime_s
    return (await fleet.CreateClaim(request, timeout=PATIENCE_S)).code
