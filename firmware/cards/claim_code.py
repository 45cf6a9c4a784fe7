"""A claim file as the text of a code: the file itself, made short, so that both ways say the same.

    text = "AIDC:" base45(deflate(file) checksum)

A kit with Wi-Fi and a supervisor takes some 250 characters, a code of 53 modules at level M.
"""

from __future__ import annotations

import binascii
import zlib

from firmware.cards import base45
from firmware.cards.payload import NotWhole
from trust.claim_file import MAX_BYTES

CLAIM_PREFIX = "AIDC:"
MAX_CODE = 4296
"""The letters that the largest QR code holds."""
_CHECKSUM_BYTES = 2
# What deflate may refer to as if it had been sent: never changed, since codes are on paper.
_KNOWN = b"""\
user = "" password = "" pin = "" apn = "internet"
[network.wireguard]
private_key = "" address = ["10."] peer_key = "" endpoint = ":51820" allowed = ["10."]
shared_key = "" keepalive_s = 25
[network.cellular]
hidden = true security = "wpa3" "wpa2" "open"
camera = "v4l2" camera_device = "/dev/video0" "none" "AS608" "R307"
board = "console" screen = false tablets = true
fingerprint = "none" port = "/dev/ttyAMA" "/dev/ttyUSB0"
guard = "file" "pin" "otp" languages = ["ar", "uk", "sw", "es", "fr", "en"]
purpose = "distribution"
format = "aidpost claim 1"

[device]
id = "kit-"
site = ""
purpose = "clinic check-in"
languages = ["fr", "en"]

[aggregator]
target = "aggregator.example.org:50051"
code = "-"
made = 2026-01-01T00:00:00+00:00
expires = 2026-01-01T00:00:00+00:00

[keys]
guard = "tpm"

[hardware]

[supervisor]
name = ""
pin = ""

[network]
country = ""

[network.wifi]
name = ""
passphrase = ""
"""


def to_code(text: str) -> str:
    """Return the text of the code for the text of a claim file."""
    deflating = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=_KNOWN)
    packed = deflating.compress(text.encode()) + deflating.flush()
    return CLAIM_PREFIX + base45.encode(packed + _checksum(packed))


def from_code(code: str) -> str:
    """Return the text of the claim file that a code holds, which nobody has checked yet. Raises NotWhole."""
    if len(code) > MAX_CODE or not code.startswith(CLAIM_PREFIX):
        raise NotWhole("no code of a claim file")
    try:
        data = base45.decode(code[len(CLAIM_PREFIX) :])
    except ValueError as error:
        raise NotWhole("no base45") from error
    packed, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if not packed or checksum != _checksum(packed):
        raise NotWhole("the checksum does not fit")
    inflating = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_KNOWN)
    try:
        text = inflating.decompress(packed, MAX_BYTES + 1)
        if not inflating.eof or inflating.unused_data or len(text) > MAX_BYTES:
            raise NotWhole("longer than any claim file, or cut short")
        return text.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise NotWhole("no claim file") from error


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(_CHECKSUM_BYTES, "big")
