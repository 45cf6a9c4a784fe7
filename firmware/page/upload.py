"""A form with one file (RFC 7578), bounded, in memory alone: no list lies on the disk in plain."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from email.policy import HTTP

from starlette.exceptions import HTTPException
from starlette.requests import Request

from firmware.lists.reading import MOST_BYTES
from trust.web.protection import MAX_BODY_BYTES, MAX_FIELDS, refuse_other_sites

MOST_READ_BYTES = 64 * 1024 * 1024
"""So much is taken and thrown away, so that whoever chose a film by mistake reads a sentence."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What was sent. content: of the file, None where it is larger than any list, and no field was read."""

    fields: dict[str, str]
    file: str = ""
    content: bytes | None = field(default=None, repr=False)


async def read_upload(request: Request) -> Upload:
    """Return the fields of a form and its file. Raises HTTPException (400, 403, 413, 415)."""
    refuse_other_sites(request)
    parsed = BytesHeaderParser(policy=HTTP).parsebytes(
        b"Content-Type: " + request.headers.get("content-type", "").encode("latin-1")
    )
    boundary = parsed["content-type"].params.get("boundary", "")
    if parsed.get_content_type() != "multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise HTTPException(415, "not a form with a file")
    body, taken = bytearray(b"\r\n"), 0
    async for part in request.stream():
        taken += len(part)
        if taken > MOST_READ_BYTES:
            raise HTTPException(413, "too large")
        if taken <= MOST_BYTES + MAX_BODY_BYTES:
            body += part
    if taken > MOST_BYTES + MAX_BODY_BYTES:
        return Upload({})
    return _taken_apart(bytes(body), b"\r\n--" + boundary.encode("latin-1"))


def _taken_apart(body: bytes, delimiter: bytes) -> Upload:
    before, *parts = body.split(delimiter, MAX_FIELDS + 1)
    if before or not parts or not parts[-1].startswith(b"--"):
        raise HTTPException(400, "not a form that can be read")
    fields: dict[str, str] = {}
    file, content = "", b""
    for part in parts[:-1]:
        head, mark, value = part.partition(b"\r\n\r\n")
        shown = BytesHeaderParser(policy=HTTP).parsebytes(head.lstrip(b"\r\n"))["content-disposition"]
        if not mark or shown is None:
            raise HTTPException(400, "not a form that can be read")
        name, named = str(shown.params.get("name", "")), shown.params.get("filename")
        if named is not None:
            file, content = str(named), value
        elif len(value) <= MAX_BODY_BYTES:
            fields[name] = value.decode("utf-8", "replace")
    return Upload(fields, file, content)
