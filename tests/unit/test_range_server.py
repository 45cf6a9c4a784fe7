"""RAUC is served a bundle on loopback: its ranges, under an address that nobody guesses, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from firmware.updater import UpdateFailed
from firmware.updating.ranges import MOST_CONNECTIONS, PIECE_BYTES, Served, serving

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


async def connected(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(served.url.split(":")[2].partition("/")[0]))


def path_of(served: Served) -> str:
    return f"/{served.url.rpartition('/')[2]}"


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


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=-10", 206, CONTENT[-10:]),
        ("bytes=-999999999", 206, CONTENT),
        ("Bytes= 0-0", 206, CONTENT[:1]),
        (f"bytes=10-{'9' * 5000}", 206, CONTENT[10:]),
        ("pages=1-2", 200, CONTENT),
        ("bytes=-0", 416, b""),
        ("bytes=-", 416, b""),
        ("bytes=20-10", 416, b""),
        (f"bytes={'9' * 5000}-", 416, b""),
        ("bytes=0-1,5-6", 416, b""),
        ("bytes=0-1, -5", 416, b""),
        ("bytes=a-b", 416, b""),
    ],
)
async def test_ranges_are_answered_as_http_has_them(
    client: httpx.AsyncClient, asked: str, status: int, content: bytes
) -> None:
    async with serving(Memory()) as served:
        got = await client.get(served.url, headers={"Range": asked})
        head = await client.head(served.url, headers={"Range": asked})
    assert (got.status_code, got.content) == (status, content)
    if status == 416:
        assert got.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(CONTENT)))


async def test_two_ranges_in_two_lines_are_two(client: httpx.AsyncClient) -> None:
    async with serving(Memory()) as served:
        got = await client.get(served.url, headers=[("Range", "bytes=0-1"), ("Range", "bytes=5-6")])
    assert got.status_code == 416


async def test_who_goes_within_an_answer_loses_nothing_but_that(client: httpx.AsyncClient) -> None:
    memory = Memory()
    async with serving(memory) as served:
        reader, writer = await connected(served)
        writer.write(f"GET {path_of(served)} HTTP/1.1\r\n\r\n".encode())
        await reader.readexactly(1000)
        writer.transport.abort()
        got = await client.get(served.url, headers={"Range": "bytes=1000-1999"})
        assert got.content == CONTENT[1000:2000]
        assert served.fault is None


@pytest.mark.parametrize("begun", [b"", b"GET /", b"GET / HTTP/1.1\r\nRange: bytes=0-"])
async def test_who_does_not_send_a_whole_request_in_time_is_hung_up_on(begun: bytes) -> None:
    async with serving(Memory(), idle_s=0.01) as served:
        reader, writer = await connected(served)
        writer.write(begun)
        assert await reader.read() == b""
        writer.close()


async def test_strangers_fill_no_more_than_their_places_and_the_client_keeps_its_own() -> None:
    async with serving(Memory(), idle_s=3600) as served:
        ours, to_us = await connected(served)
        request = f"GET {path_of(served)} HTTP/1.1\r\nRange: bytes=0-9\r\n\r\n".encode()
        to_us.write(request)
        assert (await ours.readuntil(CONTENT[:10])).startswith(b"HTTP/1.1 206")
        strangers = [await connected(served) for _ in range(MOST_CONNECTIONS)]
        reader, writer = await connected(served)
        assert await reader.read() == b""
        to_us.write(request)
        assert (await ours.readuntil(CONTENT[:10])).startswith(b"HTTP/1.1 206")
        strangers[0][1].write(b"GET /else HTTP/1.1\r\n\r\n")
        assert (await strangers[0][0].read()).startswith(b"HTTP/1.1 404")
        late, to_late = await connected(served)  # a place is free again
        to_late.write(request)
        assert (await late.readuntil(CONTENT[:10])).startswith(b"HTTP/1.1 206")
        for each in (to_us, writer, to_late, *(to for _, to in strangers)):
            each.close()


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
        reader, writer = await connected(served)
        writer.write(b"GET /" + b"x" * 20_000)
        await writer.drain()
        assert await reader.read() == b""
        writer.close()
