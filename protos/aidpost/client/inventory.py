"""Devices, sites, groups, and what each should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from aidpost.client.errors import error_of
from aidpost.client.sending import request_id
from aidpost.client.subject import Subject, timestamp
from aidpost.v1 import inventory_pb2 as inventory

CHUNK_BYTES = 64 * 1024
UPLOAD_S = 3600.0  # of a software bundle over a slow line


class Inventory(Subject):
    """What there is, and what it should be."""

    def list_devices(self, filter: str = "") -> Iterator[inventory.Device]:  # noqa: A002
        """Yield the devices of a filter (docs/fleet.md), all of them where it is empty."""
        request = inventory.ListDevicesRequest(filter=filter)
        return self._sending.pages(self._service.ListDevices, request, lambda page: page.devices)

    def get_device(self, device_id: str) -> inventory.Device:
        """Return all that is known of one device: desired and reported state, drift, telemetry."""
        request = inventory.GetDeviceRequest(device_id=device_id)
        return self._sending.safely(self._service.GetDevice, request).device

    def update_device(
        self, device_id: str, labels: Mapping[str, str | None], etag: str = ""
    ) -> inventory.Device:
        """Set labels, and take those away whose value is None. Raises Changed for another etag."""
        request = inventory.UpdateDeviceRequest(
            device=inventory.Device(
                device_id=device_id,
                etag=etag,
                labels={name: value for name, value in labels.items() if value is not None},
            ),
            update_mask=FieldMask(paths=[f"labels.{name}" for name in labels]),
            request_id=request_id(),
        )
        return self._sending.safely(self._service.UpdateDevice, request).device

    def list_telemetry(
        self, device_id: str, since: datetime | None = None
    ) -> Iterator[inventory.TelemetryPoint]:
        """Yield what a device told of itself."""
        request = inventory.ListTelemetryRequest(
            device_id=device_id, since=None if since is None else timestamp(since)
        )
        return self._sending.pages(self._service.ListTelemetry, request, lambda page: page.points)

    def list_sites(self) -> Iterator[inventory.Site]:
        """Yield the sites."""
        request = inventory.ListSitesRequest()
        return self._sending.pages(self._service.ListSites, request, lambda page: page.sites)

    def update_site(
        self, site: inventory.Site, paths: Sequence[str], *, allow_missing: bool = False
    ) -> inventory.Site:
        """Change the fields of a site that `paths` names; its etag says what the change rests on."""
        request = inventory.UpdateSiteRequest(
            site=site,
            update_mask=FieldMask(paths=paths),
            allow_missing=allow_missing,
            request_id=request_id(),
        )
        return self._sending.safely(self._service.UpdateSite, request).site

    def list_groups(self) -> Iterator[inventory.Group]:
        """Yield the groups."""
        request = inventory.ListGroupsRequest()
        return self._sending.pages(self._service.ListGroups, request, lambda page: page.groups)

    def update_group(
        self, group: inventory.Group, paths: Sequence[str], *, allow_missing: bool = False
    ) -> inventory.Group:
        """Change the fields of a group that `paths` names; its etag says what the change rests on."""
        request = inventory.UpdateGroupRequest(
            group=group,
            update_mask=FieldMask(paths=paths),
            allow_missing=allow_missing,
            request_id=request_id(),
        )
        return self._sending.safely(self._service.UpdateGroup, request).group

    def delete_group(self, name: str, etag: str = "") -> None:
        """Delete a group; what it desired is desired no longer."""
        request = inventory.DeleteGroupRequest(name=name, etag=etag, request_id=request_id())
        self._sending.safely(self._service.DeleteGroup, request)

    def get_desire(self, scope: inventory.Scope) -> inventory.Desire:
        """Return what is desired in one scope."""
        request = inventory.GetDesireRequest(scope=scope)
        return self._sending.safely(self._service.GetDesire, request).desire

    def update_desire(
        self, desire: inventory.Desire, paths: Sequence[str], *, validate_only: bool = False
    ) -> inventory.UpdateDesireResponse:
        """Change what `paths` names, as "settings.session.tries"; what desire lacks of it is taken away."""
        request = inventory.UpdateDesireRequest(
            desire=desire,
            update_mask=FieldMask(paths=paths),
            request_id=request_id(),
            validate_only=validate_only,
        )
        return self._sending.safely(self._service.UpdateDesire, request)

    def add_artifact(
        self, artifact: inventory.StoredArtifact, content: Iterable[bytes]
    ) -> inventory.StoredArtifact:
        """Hand in a file for devices; content: pieces of at most 64 KiB. Digest and size are checked."""

        def messages() -> Iterator[inventory.AddArtifactRequest]:
            yield inventory.AddArtifactRequest(artifact=artifact)
            for piece in content:
                yield inventory.AddArtifactRequest(data=piece)

        try:
            return self._service.AddArtifact(messages(), timeout=UPLOAD_S).artifact
        except grpc.RpcError as failed:
            raise error_of(failed) from failed

    def list_artifacts(self) -> Iterator[inventory.StoredArtifact]:
        """Yield the files that are held for devices."""
        request = inventory.ListArtifactsRequest()
        return self._sending.pages(self._service.ListArtifacts, request, lambda page: page.artifacts)
