"""RAUC is served a bundle on loopback: its ranges, under an address that nobody guesses, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from firmware.updater import UpdateFailed
from firmware.updating.ranges import PIECE_BYTES, Served, serving

CONTENT = bytes(range(256)) * 1024


class Memory:
    """A file in memory that ends early. read: what was asked for."""

    def __init__(self, ends: int = len(CONTENT)) -> None:
        self._ends = ends
        self.asked: list[tuple[int, int]] = []

    @property
    def size_bytes(self) -> int:
        return len(CONTENT)

    async def read(self, offset: int, count: int) -> bytes:
        self.asked.append((offset, count))
        if offset + count > self._ends:
            raise UpdateFailed("it cannot be had")
        return CONTENT[offset : offset + count]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as made:
        yield made


async def test_a_range_is_read_and_no_more(client: httpx.AsyncClient) -> None:
    memory = Memory()
    async with serving(memory) as served:
        got = await client.get(served.url, headers={"Range": "bytes=1000-1999"})
        rest = await client.get(served.url, headers={"Range": f"bytes={len(CONTENT) - 10}-"})
    assert (got.status_code, got.content) == (206, CONTENT[1000:2000])
    assert got.headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"
    assert rest.content == CONTENT[-10:]
    assert memory.asked == [(1000, 1000), (len(CONTENT) - 10, 10)]


async def test_a_whole_file_comes_in_pieces(client: httpx.AsyncClient) -> None:
    memory = Memory()
    async with serving(memory) as served:
        got = await client.get(served.url)
    assert (got.status_code, got.content) == (200, CONTENT)
    assert max(count for _, count in memory.asked) == PIECE_BYTES


async def test_another_address_or_way_is_refused(client: httpx.AsyncClient) -> None:
    memory = Memory()
    async with serving(memory) as served:
        base = served.url.rpartition("/")[0]
        assert served.url.startswith("http://127.0.0.1:")
        assert (await client.get(f"{base}/update.raucb")).status_code == 404
        assert (await client.post(served.url)).status_code == 405
        beyond = await client.get(served.url, headers={"Range": f"bytes={len(CONTENT)}-"})
        assert beyond.status_code == 416
        assert (await client.head(served.url)).headers["Content-Length"] == str(len(CONTENT))
    assert memory.asked == []


async def test_what_cannot_be_had_is_an_error_whose_reason_is_kept(client: httpx.AsyncClient) -> None:
    async with serving(Memory(ends=100)) as served:
        got = await client.get(served.url, headers={"Range": "bytes=50-149"})
        assert got.status_code == 404
        assert str(served.fault) == "it cannot be had"


async def test_nothing_is_served_afterwards(client: httpx.AsyncClient) -> None:
    kept: list[Served] = []
    async with serving(Memory()) as served:
        kept.append(served)
    with pytest.raises(httpx.ConnectError):
        await client.get(kept[0].url)


async def test_what_is_no_request_is_dropped() -> None:
    async with serving(Memory()) as served:
        port = int(served.url.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"x" * 20_000)
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
