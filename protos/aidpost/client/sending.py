"""One call: its time-out, its errors, and when it is made again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc

from aidpost.client.errors import Exhausted, FleetError, TimedOut, Unreachable, error_of

REQUEST_ID_BYTES = 16
PAGE_SIZE = 500

_RequestT = TypeVar("_RequestT", contravariant=True)
_AnswerT = TypeVar("_AnswerT")
_ItemT = TypeVar("_ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a call may take, and how often one that is safe to repeat is made.

    pause_s: before the second try, and twice as long before each later one, unless the server names a delay;
    a named delay above max_pause_s is not waited for.
    """

    call_s: float = 15.0
    tries: int = 4
    pause_s: float = 0.25
    max_pause_s: float = 10.0


class _Unary(Protocol[_RequestT, _AnswerT]):  # type: ignore[misc]  # an answer is only returned
    def __call__(self, request: _RequestT, *, timeout: float | None = None) -> _AnswerT: ...


class Sending:
    """Makes calls on one channel."""

    def __init__(self, patience: Patience, sleep: Callable[[float], None]) -> None:
        self._patience = patience
        self._sleep = sleep

    def once(self, method: _Unary[_RequestT, _AnswerT], request: _RequestT) -> _AnswerT:
        """Make a call that would do something again if it were repeated. Raises FleetError."""
        try:
            return method(request, timeout=self._patience.call_s)
        except grpc.RpcError as failed:
            raise error_of(failed) from failed

    def safely(self, method: _Unary[_RequestT, _AnswerT], request: _RequestT) -> _AnswerT:
        """Make a call that only reads, or that carries a request id: again after a fault of the way there.

        Raises FleetError, the last one.
        """
        pause_s = self._patience.pause_s
        for _ in range(self._patience.tries - 1):
            try:
                return self.once(method, request)
            except (Unreachable, TimedOut, Exhausted) as failed:
                wait_s = _wait_s(failed, pause_s)
                if wait_s is None or wait_s > self._patience.max_pause_s:
                    raise
                self._sleep(wait_s)
                pause_s *= 2
        return self.once(method, request)

    def pages(
        self,
        method: _Unary[Any, Any],
        request: Any,
        items: Callable[[Any], Iterable[_ItemT]],
    ) -> Iterator[_ItemT]:
        """Yield the items of all pages; each page is asked for when it is reached. Raises FleetError."""
        request.page_size = PAGE_SIZE
        while True:
            answer = self.safely(method, request)
            yield from items(answer)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def streamed(self, answers: Iterable[_AnswerT]) -> Iterator[_AnswerT]:
        """Yield what a stream answers. Raises FleetError; the stream ends when the iteration is given up."""
        try:
            yield from answers
        except grpc.RpcError as failed:
            raise error_of(failed) from failed
        finally:
            if isinstance(answers, grpc.RpcContext):
                answers.cancel()


def request_id() -> bytes:
    """Return a new one: the same request sent again with it changes nothing more."""
    return secrets.token_bytes(REQUEST_ID_BYTES)


def real_sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def _wait_s(failed: FleetError, pause_s: float) -> float | None:
    """Return how long to wait before the next try, None for never."""
    if failed.retry_after_s is not None:
        return failed.retry_after_s
    return None if isinstance(failed, Exhausted) else pause_s
