"""From an engine's blocking stream to the event loop: pieces as they come, and a way to stop early."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import closing

from starlette.concurrency import run_in_threadpool

from web4mlx.engines.base import Engine, Request, Response
from web4mlx.errors import StageCrashed, Web4Error
from web4mlx.serving.failures import Busy

Piece = str | Response | Web4Error
BUSY = "server busy, please try again.  maximum pending requests exceeded"


class Slots:
    """Generates at most so many answers at a time; the others wait in a line that has an end.

    Args:
        engine: Opened.
        parallel: Answers at a time.
        longest_line: How many may wait.
    """

    def __init__(self, engine: Engine, parallel: int, longest_line: int) -> None:
        self.engine = engine
        self.waiting = 0
        self._longest_line = longest_line
        self._free = asyncio.Semaphore(parallel)
        self._running: dict[threading.Thread, threading.Event] = {}

    async def close(self) -> None:
        """Stop what is being generated and wait until it has ended."""
        for left in list(self._running.values()):
            left.set()
        for thread in list(self._running):
            await run_in_threadpool(thread.join)

    async def stream(self, request: Request) -> AsyncGenerator[str | Response, None]:
        """Yield the pieces of an answer and, last, its response.

        Leaving the iteration, also by cancellation, stops the generation at its next piece. The slot is free
        again when the engine has stopped, whether or not the pieces have been taken.

        Raises:
            Web4Error: The line is too long, the engine refuses the request or fails.
        """
        if self._free.locked() and self.waiting >= self._longest_line:
            raise Busy(BUSY)
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        pieces: asyncio.Queue[Piece] = asyncio.Queue()
        left = threading.Event()
        self._start(request, left, pieces)
        try:
            while True:
                piece = await pieces.get()
                if isinstance(piece, Web4Error):
                    raise piece
                yield piece
                if isinstance(piece, Response):
                    return
        finally:
            left.set()

    def _start(self, request: Request, left: threading.Event, pieces: "asyncio.Queue[Piece]") -> None:
        loop = asyncio.get_running_loop()

        def tell(action: Callable[..., object], *values: Piece) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(action, *values)

        def work() -> None:
            try:
                generate(self.engine, request, left, lambda piece: tell(pieces.put_nowait, piece))
            finally:
                self._running.pop(threading.current_thread())
                tell(self._free.release)

        thread = threading.Thread(target=work, name="serve-answer")
        self._running[thread] = left
        thread.start()


def generate(engine: Engine, request: Request, left: threading.Event, put: Callable[[Piece], object]) -> None:
    """Generate an answer in this thread and put its pieces, until it ends or the reader has left."""
    try:
        stream = engine.stream(request)
        with closing(iter(stream)) as texts:  # type: ignore[type-var]
            for text in texts:
                if left.is_set():
                    return
                put(text)
        if stream.response is None:
            raise StageCrashed("the engine ended an answer without a response")
        put(stream.response)
    except Web4Error as error:
        put(error)
    except Exception as error:  # the boundary of the thread: without this the reader would wait for ever
        put(StageCrashed(f"the engine failed: {type(error).__name__}: {error}"))
