"""The client: FleetService, one class for each subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from aidpost.client.alerts import Alerts
from aidpost.client.asking import Asking
from aidpost.client.credential import Credential
from aidpost.client.inventory import Inventory
from aidpost.client.joining import Joining
from aidpost.client.rollouts import Rollouts
from aidpost.client.sending import Patience, Sending, real_sleep
from aidpost.v1 import fleet_pb2_grpc


class FleetClient(Joining, Inventory, Asking, Rollouts, Alerts):
    """Each call of FleetService as a method of the same name. Every method raises FleetError.

    channel: to an aggregator, over which the caller is known. sleep: waits between tries.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = real_sleep,
    ) -> None:
        super().__init__(fleet_pb2_grpc.FleetServiceStub(channel), Sending(patience or Patience(), sleep))


@contextmanager
def connect(server: str, credential: Credential, patience: Patience | None = None) -> Iterator[FleetClient]:
    """Yield a client of the aggregator at host:port; it connects with the first call."""
    with credential.channel(server) as channel:
        yield FleetClient(channel, patience)
