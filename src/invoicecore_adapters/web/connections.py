"""Connections that do not wait for ever: uvicorn's own, closed when a client is too slow or there are too many."""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class Hurried(H11Protocol):
    """A connection of uvicorn's, which itself bounds the time between two requests and no more.

    Here a head, and a body that the app does not want, have `head` seconds; an answer that is not taken has `answer`
    seconds, and as many again whenever some of it is. What an app takes for an answer is the app's affair.
    """

    head: ClassVar[float]
    answer: ClassVar[float]
    most: ClassVar[int]

    _timer: asyncio.TimerHandle | None = None
    _unsent: float = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._wait(self.head)

    def on_response_complete(self) -> None:
        """Wait anew: for the next request, and for this answer to be taken."""
        self._wait(self.head)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _wait(self, seconds: float, unsent: float = math.inf) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._unsent = unsent
        self._timer = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        answering = self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if unsent and unsent < self._unsent:
            self._wait(self.answer, unsent)
        elif answering and not unsent:
            self._wait(self.head)
        else:
            self.transport.abort()


def hurried(head: float, answer: float, most: int) -> type[Hurried]:
    """The connections of a server: how long each waits, and how many there may be."""
    return type("Connection", (Hurried,), {"head": head, "answer": answer, "most": most})
