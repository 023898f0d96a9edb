"""Giving up work when the client that wanted it has gone, or when it takes too long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from web4mlx.serving.failures import TooSlow

Result = TypeVar("Result")


async def unless_disconnected(request: Request, work: Awaitable[Result], limit_s: float) -> Result:
    """The result of some work, which is cancelled when the client leaves or the time is over.

    Args:
        request: Its body has been read already.
        work: What the client waits for.
        limit_s: Seconds that it may take.

    Raises:
        ClientDisconnect: The client has gone.
        TooSlow: The time is over.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait((task, watcher), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if watcher.done():
            raise ClientDisconnect
        raise TooSlow(f"no answer within {limit_s:g} s")
    finally:
        await _cancel(task)
        await _cancel(watcher)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _cancel(task: "asyncio.Future[Result]") -> None:
    """Cancel a task and wait until it has cleaned up; how it ends has been looked at already."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
    with suppress(asyncio.CancelledError):
        task.exception()


class LimitedStream(StreamingResponse):
    """A stream that ends when the client leaves, or when the time is over, however slowly it is read.

    Args:
        content: The pieces; closed in every case.
        media_type: What they are.
        limit_s: Seconds from the first piece on.
        status: Of the answer.
        headers: Further headers.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes, None],
        media_type: str | None,
        limit_s: float,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(content, status, headers, media_type)
        self.content = content
        self.limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces; the connection is broken off when the time is over."""
        sending = asyncio.ensure_future(self.stream_response(send))
        watcher = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((sending, watcher), timeout=self.limit_s, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            else:
                scope.setdefault("state", {})["left"] = "client left" if watcher.done() else "too slow"
        finally:
            await _cancel(sending)
            await _cancel(watcher)
            await self.content.aclose()
