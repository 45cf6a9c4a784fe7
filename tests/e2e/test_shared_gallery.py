"""A real appliance shares its gallery through a real aggregator; the custodian uses the real commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware.cli import main
from firmware.config import Gallery
from firmware.demo.server import Server
from firmware.uplink.gallery_calls import NoGallery
from tests.kit.line import line
from tests.kit.real_people import RealPeople


async def test_a_registration_is_sealed_and_kept_and_an_erasure_follows_it(
    tmp_path: Path, shared_data: Path
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("a sentence that nobody guesses\n")
    opens = ["--set", str(tmp_path / "set"), "--passphrase-file", str(secret)]
    made = CliRunner().invoke(
        main, ["custodian", "init", *opens, "--site", "test", "--purpose", "clinic check-in"]
    )
    words = made.output.rpartition('custodian = "')[2].partition('"')[0]
    actors = RealPeople(shared_data)
    person = actors.people[0]
    server = await Server.start(tmp_path)
    try:
        shared = Gallery(custodian=words)
        async with line(tmp_path, actors, server.target, joins=server, gallery=shared) as desk:
            sharing = desk.appliance.link.sharing
            assert sharing is not None
            with pytest.raises(NoGallery):
                await sharing.once()
            cards = tmp_path / "cards"
            cards.mkdir()
            told = await server.administer("gallery", "cards", "--to", str(cards))
            card = " ".join(told.split()).rpartition(" ")[2]
            wrapped = CliRunner().invoke(
                main, ["custodian", "wrap", *opens, str(cards / "test-01.card"), card]
            )
            assert wrapped.exit_code == 0, wrapped.output
            await server.administer("gallery", "publish", str(tmp_path / "set" / "gallery.roster"))
            await desk.register(person)
            await sharing.once()
            held = await desk.appliance.store.run(lambda store: store.shared.held())
            assert len(held.entries) == 1
            assert desk.appliance.notices == {}
            assert await desk.appliance.desk.erase(person.subject) == 1
            await sharing.once()
            listed = " ".join((await server.administer("gallery", "list")).split())
            assert "test-01 2" in listed
        assert person.subject.encode() not in server.store.read_bytes()
    finally:
        await server.stop()
