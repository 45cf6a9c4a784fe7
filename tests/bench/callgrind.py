"""Switches callgrind's instrumentation from within the program that it watches.

Valgrind knows a request by an instruction sequence that does nothing on a real processor; a pointer to the
request and its arguments lies in rax (valgrind/valgrind.h, VALGRIND_DO_CLIENT_REQUEST_EXPR for amd64). C
programs include that header; the sequence is laid into executable memory here, so that no compiler is needed.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

_CODE = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the request is the function's argument
    "31d2"  # xor edx, edx: the answer when no valgrind listens
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi by 3, 13, 61, 51: 128 bits, so rdi is as before
    "4887db"  # xchg rbx, rbx
    "4889d0 c3"  # mov rax, rdx; ret
)
# valgrind/callgrind.h, counted from VG_USERREQ_TOOL_BASE('C', 'T').
_DUMP_STATISTICS = 0x43540000
_START_INSTRUMENTATION = 0x43540004
_STOP_INSTRUMENTATION = 0x43540005


@contextmanager
def counted() -> Iterator[None]:
    """Count the instructions of the body and have callgrind write them to a file of their own."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
        memory.write(_CODE)
        code = ctypes.c_char.from_buffer(memory)
        request = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.POINTER(ctypes.c_uint64))(ctypes.addressof(code))
        arguments = {
            number: (ctypes.c_uint64 * 6)(number)
            for number in (_START_INSTRUMENTATION, _STOP_INSTRUMENTATION, _DUMP_STATISTICS)
        }
        request(arguments[_START_INSTRUMENTATION])
        try:
            yield
        finally:
            request(arguments[_STOP_INSTRUMENTATION])
            request(arguments[_DUMP_STATISTICS])
            del code  # mmap refuses to close while it is exported
