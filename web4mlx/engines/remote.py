"""What engines behind HTTP share: working on several requests at once, and failures of the server.

A request that the server refuses is an answer with an error. A server that is gone, stalls or breaks is no
answer of the model: it ends the work with an error that names the server.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from web4mlx.engines.base import Request, Response, refuse_duplicate_ids
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError, Web4Error

Pieces = Callable[[Request], Iterator[str | Response]]
RESUME = "What was answered is kept. Start the server again, look at its log, and run the command again."


def answer_all(requests: Sequence[Request], workers: int, pieces: Pieces) -> Iterator[Response]:
    """Answer requests in the order in which they complete.

    Args:
        requests: Their ids must differ.
        workers: How many are asked at the same time.
        pieces: Starts one answer; yields its text and, last, the response.

    Raises:
        MissingPrerequisite: The server cannot be reached. All answers that it gave have been yielded.
        StageCrashed: The server broke, likewise.
    """
    refuse_duplicate_ids(requests)
    left = threading.Event()
    failure: Web4Error | None = None
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="remote")
    futures = [pool.submit(_answer, request, pieces, left) for request in requests]
    try:
        for future in as_completed(futures):
            try:
                response = future.result()
            except CancelledError:
                continue
            except Web4Error as error:
                failure = failure or error
                for other in futures:
                    other.cancel()
            else:
                yield response
        if failure is not None:
            raise failure
    finally:
        left.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _answer(request: Request, pieces: Pieces, left: threading.Event) -> Response:
    start = time.perf_counter()
    try:
        for piece in pieces(request):
            if isinstance(piece, Response):
                return piece
            if left.is_set():
                raise StageCrashed("the answer was cancelled before it was complete")
    except UsageError as error:
        elapsed_s = time.perf_counter() - start
        return Response(request.id, "", "error", 0, 0, elapsed_s, elapsed_s, error.message)
    raise StageCrashed("the engine ended an answer without a response")


@contextmanager
def http_failures(url: str, doing: str) -> Iterator[None]:
    """Turn failures of the connection into errors that name the server.

    Args:
        url: The server.
        doing: What was going on, such as `answering question 7`.
    """
    import httpx

    try:
        yield
    except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise MissingPrerequisite(f"{url}: no server answers ({doing})", RESUME) from error
    except httpx.TimeoutException as error:
        raise StageCrashed(f"{url}: no answer in time ({doing}): {type(error).__name__}", RESUME) from error
    except httpx.HTTPError as error:
        raise StageCrashed(f"{url}: the connection broke ({doing}): {error}", RESUME) from error


def refused(url: str, status: int, message: str, doing: str) -> Web4Error:
    """The error for an HTTP status: 4xx is the request's fault, 404 a missing model, else the server's."""
    text = f"{url}: {doing}: {message.strip() or 'no reason given'} (status {status})"
    if status == 404:
        return MissingPrerequisite(text, "Is that the model's name there?")
    if status == 401 or status == 403:
        return MissingPrerequisite(text, "The server wants a key; none is ever sent from here.")
    if 400 <= status < 500 and status not in (408, 429):
        return UsageError(text)
    return StageCrashed(text, RESUME)
