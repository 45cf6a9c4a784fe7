"""The metrics endpoint for Prometheus: few series for each device, no label whose values have no bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from aggregator.store.errors import StoreError
from aggregator.store.measures import Measures

SECOND_NS = 1_000_000_000
KEPT_NS = 10 * SECOND_NS
"""Two scrapers, or an impatient one, cost as much as one: 10,000 devices are 50,000 lines."""
_OF_DEVICE = ("device", "site")


def create_app(
    measures: Callable[[], Awaitable[Measures]],
    connected: Callable[[], Collection[str]],
    wall_ns: Callable[[], int],
) -> Starlette:
    """Return the application; its one page is /metrics."""
    kept: tuple[int, CollectorRegistry] | None = None
    reading = asyncio.Lock()

    async def metrics(request: Request) -> Response:
        nonlocal kept
        async with reading:
            now_ns = wall_ns()
            if kept is None or not 0 <= now_ns - kept[0] < KEPT_NS:
                registry = CollectorRegistry()
                registry.register(_Fleet(await measures(), frozenset(connected()), now_ns))
                kept = (now_ns, registry)
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
            # In a thread: devices wait for acknowledgements while 50,000 lines are written.
            text = await asyncio.to_thread(encode, kept[1])
        return Response(text, headers={"Content-Type": content_type})

    async def unavailable(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("The store cannot be read: see the server's log.\n", status_code=503)

    return Starlette(routes=[Route("/metrics", metrics)], exception_handlers={StoreError: unavailable})


class _Fleet(Collector):
    """The fleet at one moment."""

    def __init__(self, measures: Measures, connected: frozenset[str], now_ns: int) -> None:
        self._measures = measures
        self._connected = connected
        self._now_ns = now_ns

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        measures = self._measures
        yield InfoMetricFamily("aidpost_aggregator", "This program", {"version": version("aidpost")})
        yield CounterMetricFamily("aidpost_events", "Events held of all devices", measures.events)
        results = CounterMetricFamily("aidpost_results", "Check-ins, services", labels=["outcome"])
        for outcome, count in sorted(measures.results.items()):
            results.add_metric([outcome], count)
        yield results
        alerts = GaugeMetricFamily("aidpost_alerts", "Alerts that last", labels=["kind", "severity"])
        for (kind, severity), count in sorted(measures.alerts.items(), key=lambda each: each[0][0].value):
            alerts.add_metric([kind.value, severity.name.lower()], count)
        yield alerts
        waiting = GaugeMetricFamily(
            "aidpost_deliveries_waiting", "What hooks are to be told", labels=["hook"]
        )
        for hook, count in sorted(measures.deliveries.items()):
            waiting.add_metric([hook], count)
        yield waiting
        yield from self._devices()

    def _devices(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("aidpost_devices", "Devices by state", labels=["state"])
        up = GaugeMetricFamily("aidpost_device_connected", "1 while it has a stream", labels=_OF_DEVICE)
        seen = GaugeMetricFamily(
            "aidpost_device_silence_seconds",
            "Since it was heard of, 0 while it is connected",
            labels=_OF_DEVICE,
        )
        heat = GaugeMetricFamily("aidpost_device_cpu_celsius", "Temperature", labels=_OF_DEVICE)
        used = GaugeMetricFamily(
            "aidpost_device_store_used_ratio", "Of what its store may take", labels=_OF_DEVICE
        )
        backlog = GaugeMetricFamily(
            "aidpost_device_waiting_events", "Events that waited at the device", labels=_OF_DEVICE
        )
        counts = {"connected": 0, "away": 0, "barred": 0}
        for device in self._measures.devices:
            labels = (device.device_id, device.site)
            connected = device.device_id in self._connected
            counts["barred" if device.barred else "connected" if connected else "away"] += 1
            up.add_metric(labels, connected)
            silence_s = 0.0 if connected else max(0, self._now_ns - device.last_seen_ns) / SECOND_NS
            seen.add_metric(labels, silence_s)
            told = device.telemetry
            if told is not None:
                if told.cpu_decidegrees is not None:
                    heat.add_metric(labels, told.cpu_decidegrees / 10)
                used.add_metric(labels, told.store_used_percent / 100)
                backlog.add_metric(labels, told.waiting)
        for state, count in counts.items():
            states.add_metric([state], count)
        yield from (states, up, seen, heat, used, backlog)
