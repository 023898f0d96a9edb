"""From an engine's blocking stream to the event loop: pieces as they come, and a way to stop early."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from web4mlx.engines.base import Engine, Request, Response
from web4mlx.errors import StageCrashed, Web4Error

Put = Callable[[str | Response | Web4Error], None]


async def stream_pieces(engine: Engine, request: Request) -> AsyncIterator[str | Response]:
    """Yield the pieces of an answer and, last, its response.

    Leaving the iteration, also by cancellation, stops the generation at its next piece.

    Raises:
        Web4Error: The engine refuses the request or fails.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | Response | Web4Error] = asyncio.Queue()
    left = threading.Event()

    def put(piece: str | Response | Web4Error) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    worker = threading.Thread(target=_generate, args=(engine, request, left, put), name="serve-answer")
    worker.start()
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


def _generate(engine: Engine, request: Request, left: threading.Event, put: Put) -> None:
    try:
        stream = engine.stream(request)
        for text in stream:
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
