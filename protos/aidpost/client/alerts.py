"""What a person should know of, and where it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aidpost.client.sending import request_id
from aidpost.client.subject import Subject
from aidpost.v1 import alert_pb2 as alerts


class Alerts(Subject):
    """Alerts and hooks."""

    def list_alerts(self, site: str = "", *, closed: bool = False) -> Iterator[alerts.Alert]:
        """Yield the alerts, people first; closed: those that ended too."""
        request = alerts.ListAlertsRequest(site=site, closed=closed)
        return self._sending.pages(self._service.ListAlerts, request, lambda page: page.alerts)

    def acknowledge_alert(self, number: int) -> alerts.Alert:
        """Say that somebody looks after it."""
        request = alerts.AcknowledgeAlertRequest(number=number)
        return self._sending.once(self._service.AcknowledgeAlert, request).alert

    def list_hooks(self) -> Sequence[alerts.Hook]:
        """Return where alerts and results are told."""
        return self._sending.safely(self._service.ListHooks, alerts.ListHooksRequest()).hooks

    def update_hook(self, hook: alerts.Hook, *, allow_missing: bool = False) -> alerts.UpdateHookResponse:
        """Change a hook as a whole; the answer has its signing key when it was made, this once."""
        request = alerts.UpdateHookRequest(hook=hook, allow_missing=allow_missing, request_id=request_id())
        return self._sending.safely(self._service.UpdateHook, request)

    def delete_hook(self, name: str, etag: str = "") -> None:
        """Tell it nothing more."""
        self._sending.once(self._service.DeleteHook, alerts.DeleteHookRequest(name=name, etag=etag))
