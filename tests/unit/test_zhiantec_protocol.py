from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sensors.fingerprint.protocol import (
    DEFAULT_ADDRESS,
    FRAME_OVERHEAD_BYTES,
    MAX_FRAME_BYTES,
    ChecksumMismatch,
    Command,
    Confirmation,
    DecodeFault,
    ImpossibleLength,
    Packet,
    PacketDecoder,
    PacketKind,
    SkippedBytes,
    UnknownKind,
)

packets = st.builds(
    Packet,
    kind=st.sampled_from(PacketKind),
    payload=st.binary(max_size=256),
    address=st.integers(0, DEFAULT_ADDRESS),
)
VERIFY = Packet(PacketKind.COMMAND, bytes((Command.VERIFY_PASSWORD, 0, 0, 0, 0)))


def in_chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


def test_a_frame_is_encoded_as_in_the_data_sheet() -> None:
    # R503 user manual, VfyPwd with the default address and password.
    assert VERIFY.encode() == bytes.fromhex("EF01 FFFFFFFF 01 0007 13 00000000 001B")


@given(st.lists(packets, max_size=4), st.lists(st.integers(0, 1200)))
def test_packets_survive_any_chunking(sent: list[Packet], cuts: list[int]) -> None:
    decoder = PacketDecoder()
    stream = b"".join(packet.encode() for packet in sent)
    assert [item for chunk in in_chunks(stream, cuts) for item in decoder.feed(chunk)] == sent


@given(packets)
def test_reading_what_is_missing_ends_with_the_frame(packet: Packet) -> None:
    decoder, stream = PacketDecoder(), packet.encode()
    found: list[Packet | DecodeFault] = []
    while not found:
        wanted = decoder.missing
        assert 0 < wanted <= len(stream)
        found, stream = decoder.feed(stream[:wanted]), stream[wanted:]
    assert (found, stream) == ([packet], b"")


@given(st.binary(max_size=600), packets, st.lists(st.integers(0, 1200)))
def test_garbage_is_faults_and_what_follows_is_decoded(
    garbage: bytes, packet: Packet, cuts: list[int]
) -> None:
    decoder = PacketDecoder()
    # Garbage may look like the beginning of a frame of full length, so that much must follow to tell.
    stream = garbage + packet.encode() + bytes(MAX_FRAME_BYTES)
    found = [item for chunk in in_chunks(stream, cuts) for item in decoder.feed(chunk)]
    assert packet in found


def test_each_damage_has_its_fault_and_the_next_frame_is_found() -> None:
    frame = VERIFY.encode()
    damaged = {
        b"\x00\x55": SkippedBytes(2),
        frame[:-1] + b"\x1a": ChecksumMismatch(received=0x1A, computed=0x1B),
        frame[:6] + b"\x05" + frame[7:]: UnknownKind(5),
        frame[:7] + b"\xff\xff" + frame[9:]: ImpossibleLength(0xFFFF),
    }
    for data, fault in damaged.items():
        found = PacketDecoder().feed(data + frame)
        assert found[0] == fault
        assert found[-1] == VERIFY


def test_a_frame_swallowed_by_a_damaged_length_is_recovered() -> None:
    frame = VERIFY.encode()
    longer = frame[:8] + bytes((frame[8] + len(frame),)) + frame[9:]
    assert PacketDecoder().feed(longer + frame)[-1] == VERIFY


def test_unknown_confirmation_codes_are_undefined() -> None:
    assert Confirmation(0xEE) is Confirmation.UNDEFINED
    assert Confirmation(0x1F) is Confirmation.LIBRARY_FULL


def test_answers_have_the_lengths_that_the_library_reads() -> None:
    lengths = {command.name: command.reply_bytes for command in Command if command.reply_bytes != 12}
    assert lengths == {
        "COMPARE": 14,
        "SEARCH": 16,
        "READ_PARAMETERS": 28,
        "FAST_SEARCH": 16,
        "COUNT_TEMPLATES": 14,
        "READ_INDEX": 44,
    }
    assert len(Packet(PacketKind.DATA, b"").encode()) == FRAME_OVERHEAD_BYTES
