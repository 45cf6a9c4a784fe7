"""A store on a primary with a synchronous standby goes on where the standby is promoted."""

from __future__ import annotations

import socket

import pytest

from aggregator.store.database import open_writer
from aggregator.store.errors import StoreUnavailable
from aggregator.store.place import Server, parse_place
from tests.kit.postgres import PROGRAMS, running_postgres
from tests.kit.postgres_pair import running_pair

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")


def test_what_was_committed_is_there_after_the_primary_is_lost() -> None:
    with running_pair() as pair, open_writer(pair.server, None) as db:
        with db.atomic():
            db.execute("INSERT INTO devices VALUES ('post-1', 'site-1', '1', 1, 1)")
        pair.kill_primary()
        with pytest.raises(StoreUnavailable, match="broke off"):
            db.execute("SELECT 1")
        with pytest.raises(StoreUnavailable, match="takes no writes"):
            db.execute("SELECT 1")
        pair.promote()
        assert db.execute("SELECT device_id FROM devices").fetchone() == ("post-1",)


def test_a_host_that_is_silent_does_not_stand_before_the_one_that_answers() -> None:
    with running_postgres() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{server.port}"
        place = parse_place(f"postgresql://{server.user}:secret@{hosts}/postgres")
        assert isinstance(place, Server)
        assert str(place) == hosts.replace(",", ", ") + "/postgres"
        with open_writer(place, None) as db:
            assert db.execute("SELECT count(*) FROM outboxes").fetchone() == (0,)
