"""What the server is told, and where it then listens."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregator.authority import Authority
from aggregator.beside import Beside
from aggregator.exporting.policy import ExportPolicy
from aggregator.link.rolling import TURN_S
from aggregator.link.service import Limits
from aggregator.store.place import Place
from aggregator.telling.mail import MailServer
from aggregator.traces import TracesTo
from trust.tls.address import Address
from trust.tls.gate import GateLimits

if TYPE_CHECKING:
    from aggregator.dashboard.openid import OpenIdSettings


@dataclass(frozen=True, slots=True)
class Shown:
    """What the dashboard shows over the network; names: that its certificate is for."""

    tls: ssl.SSLContext
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `serve` was told.

    beside: where the files lie that are not in the store. bus: the NATS servers by which the workers of one
    store wake each other; none where there is one worker, or all find out by looking.
    shared_port: other workers of this machine listen there too. dashboard: None for a worker without one.
    authority: None for a development server, which asks nobody for a certificate and listens on loopback.
    max_store_bytes: the size that the store's file may reach, None for no limit. keep_events_ns: after which
    events other than telemetry are erased, None for never. export_policy: whose
    signature was checked; without one nothing goes to others.
    metrics: where Prometheus asks, None for nowhere. health: where gRPC health is answered without TLS, None
    for nowhere. traces: where they go, None for nowhere. mail: where
    mail to hooks goes out, None for nowhere. hook_trust: whom webhooks must be certified by, None for the
    system's authorities. shown: what the dashboard does TLS with, None on loopback. openid: its identity
    provider, None for none. rollout_turn_s: how often rollouts look at their devices. compare_clock: whether
    a worker whose clock is not the database's refuses to start; a test has clocks of its own.
    """

    store: Place
    beside: Beside
    listen: Address
    dashboard: Address | None
    authority: Authority | None
    bus: tuple[str, ...] = ()
    shared_port: bool = False
    shown: Shown | None = None
    openid: OpenIdSettings | None = None
    metrics: Address | None = None
    health: Address | None = None
    traces: TracesTo | None = None
    mail: MailServer | None = None
    hook_trust: ssl.SSLContext | None = None
    max_store_bytes: int | None = None
    keep_events_ns: int | None = None
    export_policy: ExportPolicy | None = None
    limits: Limits = field(default_factory=Limits)
    rollout_turn_s: float = TURN_S
    compare_clock: bool = True
    gate_limits: GateLimits = field(default_factory=GateLimits)


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server listens, with the ports that were really bound."""

    listen: Address
    dashboard: Address | None
    over_tls: bool = False
    metrics: Address | None = None
    health: Address | None = None

    @property
    def dashboard_url(self) -> str:
        """Return the dashboard's address as a browser takes it, "" where there is none."""
        if self.dashboard is None:
            return ""
        return f"{'https' if self.over_tls else 'http'}://{self.dashboard}"
