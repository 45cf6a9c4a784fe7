"""Changes that go out step by step."""

from __future__ import annotations

from collections.abc import Iterator

from aidpost.client.sending import request_id
from aidpost.client.subject import Subject
from aidpost.v1 import rollout_pb2 as rollouts


class Rollouts(Subject):
    """Rollouts."""

    def plan_rollout(self, rollout: rollouts.Rollout) -> rollouts.PlanRolloutResponse:
        """Return what it would take; nothing is started."""
        request = rollouts.PlanRolloutRequest(rollout=rollout)
        return self._sending.safely(self._service.PlanRollout, request)

    def create_rollout(self, rollout: rollouts.Rollout) -> rollouts.Rollout:
        """Start it."""
        request = rollouts.CreateRolloutRequest(rollout=rollout, request_id=request_id())
        return self._sending.safely(self._service.CreateRollout, request).rollout

    def get_rollout(self, name: str) -> rollouts.Rollout:
        """Return one, with its progress."""
        request = rollouts.GetRolloutRequest(name=name)
        return self._sending.safely(self._service.GetRollout, request).rollout

    def list_rollouts(self) -> Iterator[rollouts.Rollout]:
        """Yield them."""
        request = rollouts.ListRolloutsRequest()
        return self._sending.pages(self._service.ListRollouts, request, lambda page: page.rollouts)

    def pause_rollout(self, name: str, etag: str = "") -> rollouts.Rollout:
        """Tell no further device."""
        request = rollouts.PauseRolloutRequest(name=name, etag=etag)
        return self._sending.once(self._service.PauseRollout, request).rollout

    def resume_rollout(self, name: str, etag: str = "") -> rollouts.Rollout:
        """Go on with one that was paused, or that stopped by itself."""
        request = rollouts.ResumeRolloutRequest(name=name, etag=etag)
        return self._sending.once(self._service.ResumeRollout, request).rollout

    def cancel_rollout(self, name: str, etag: str = "", *, take_back: bool = False) -> rollouts.Rollout:
        """End one; take_back: desire again what was desired before of the devices that were told."""
        request = rollouts.CancelRolloutRequest(name=name, etag=etag, take_back=take_back)
        return self._sending.once(self._service.CancelRollout, request).rollout
