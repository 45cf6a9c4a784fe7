"""Sites and groups."""

from __future__ import annotations

import msgspec

from aggregator import fleet_codec
from aggregator.fleet.terms import Group, Invalid, Site
from aggregator.link.desks import Desks
from aggregator.link.fleet.calls import Context, FleetCalls, done, revision_of
from aggregator.link.masks import changed_map, paths_of
from aggregator.link.paging import after, page_size, token
from aggregator.link.refusing import bad_field
from aggregator.store import fleet_inventory
from aggregator.store.port import Database
from aidpost.v1 import fleet_pb2_grpc, inventory_pb2

_OF_SITE = (
    "title",
    "latitude",
    "longitude",
    "window",
    "daily_budget_bytes",
    "megabyte_cost_milli",
    "currency",
    "support_consent_until",
)
_OF_GROUP = ("title", "filter", "rank")


class Places(fleet_pb2_grpc.FleetServiceServicer):
    """Keeps sites and groups; whoever is touched by a change is told what it should be now."""

    _calls: FleetCalls
    _desks: Desks

    async def ListSites(  # noqa: N802
        self, request: inventory_pb2.ListSitesRequest, context: Context
    ) -> inventory_pb2.ListSitesResponse:
        """List the sites, those too that only devices name."""
        beginning, size = after(request.page_token, "sites"), page_size(request.page_size)
        found = await self._calls.read(lambda db: fleet_inventory.read_sites(db, beginning, size + 1))
        return inventory_pb2.ListSitesResponse(
            sites=map(fleet_codec.site, found[:size]),
            next_page_token=token(found[size - 1].name, "sites") if len(found) > size else "",
        )

    async def UpdateSite(  # noqa: N802
        self, request: inventory_pb2.UpdateSiteRequest, context: Context
    ) -> inventory_pb2.UpdateSiteResponse:
        """Change a site, or make it."""
        asked = request.site
        paths = paths_of(request.update_mask, asked, _OF_SITE, ("labels",))
        revision = revision_of(asked.etag)

        def change(db: Database, now_ns: int, actor: str) -> inventory_pb2.UpdateSiteResponse:
            before = fleet_inventory.find_site(db, asked.name) or Site(asked.name, 0)
            labels = changed_map(before.labels, dict(asked.labels), paths, "labels")
            site = fleet_codec.changed_site(before, asked, paths, labels)
            if isinstance(site, Invalid):
                raise bad_field(site.field, site.why)
            put = fleet_inventory.put_site(
                db, site, revision=revision, allow_missing=request.allow_missing, now_ns=now_ns, actor=actor
            )
            return inventory_pb2.UpdateSiteResponse(site=fleet_codec.site(done("site", asked.name, put)))

        answer = await self._calls.change(context, request, inventory_pb2.UpdateSiteResponse, change)
        self._desks.desired.look_at_all()
        return answer

    async def ListGroups(  # noqa: N802
        self, request: inventory_pb2.ListGroupsRequest, context: Context
    ) -> inventory_pb2.ListGroupsResponse:
        """List the groups, with how many devices are in each."""
        beginning, size = after(request.page_token, "groups"), page_size(request.page_size)
        found = await self._calls.read(lambda db: fleet_inventory.read_groups(db, beginning, size + 1))
        return inventory_pb2.ListGroupsResponse(
            groups=map(fleet_codec.group, found[:size]),
            next_page_token=token(found[size - 1].name, "groups") if len(found) > size else "",
        )

    async def UpdateGroup(  # noqa: N802
        self, request: inventory_pb2.UpdateGroupRequest, context: Context
    ) -> inventory_pb2.UpdateGroupResponse:
        """Change a group, or make it."""
        asked = request.group
        paths = paths_of(request.update_mask, asked, _OF_GROUP)
        revision = revision_of(asked.etag)
        changes = {name: getattr(asked, name) for name in paths}

        def change(db: Database, now_ns: int, actor: str) -> inventory_pb2.UpdateGroupResponse:
            before = fleet_inventory.find_group(db, asked.name) or Group(asked.name, 0, "")
            put = fleet_inventory.put_group(
                db,
                msgspec.structs.replace(before, **changes),
                revision=revision,
                allow_missing=request.allow_missing,
                now_ns=now_ns,
                actor=actor,
            )
            return inventory_pb2.UpdateGroupResponse(group=fleet_codec.group(done("group", asked.name, put)))

        answer = await self._calls.change(context, request, inventory_pb2.UpdateGroupResponse, change)
        self._desks.desired.look_at_all()
        return answer

    async def DeleteGroup(  # noqa: N802
        self, request: inventory_pb2.DeleteGroupRequest, context: Context
    ) -> inventory_pb2.DeleteGroupResponse:
        """Take a group away, with what is desired in it."""
        name, revision = request.name, revision_of(request.etag)

        def delete(db: Database, now_ns: int, actor: str) -> inventory_pb2.DeleteGroupResponse:
            gone = fleet_inventory.delete_group(db, name, revision=revision, now_ns=now_ns, actor=actor)
            done("group", name, gone)
            return inventory_pb2.DeleteGroupResponse()

        answer = await self._calls.change(context, request, inventory_pb2.DeleteGroupResponse, delete)
        self._desks.desired.look_at_all()
        return answer
