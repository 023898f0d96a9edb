"""Several engines as one: each takes the next question as soon as it is free."""

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from web4mlx.engines.base import AnswerStream, Engine, Request, Response
from web4mlx.errors import UsageError

SAME = ("engine", "version", "sha256", "chat_template_sha256")


class SpreadEngine:
    """Spreads requests over engines that serve the same model.

    When one fails, its open questions go to the others; the error is raised when none is left.

    Args:
        engines: At least one.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = list(engines)

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        """Answer all requests in the order in which they complete; `parallel` holds for each engine."""
        waiting: SimpleQueue[Request] = SimpleQueue()
        for request in requests:
            waiting.put(request)
        done: SimpleQueue[Response | Exception] = SimpleQueue()
        stop = threading.Event()

        def work(engine: Engine) -> None:
            while not stop.is_set():
                try:
                    request = waiting.get(timeout=0.1)
                except Empty:
                    continue  # another engine may fail and hand its question back
                try:
                    done.put(next(iter(engine.generate([request]))))
                except Exception as error:  # handed to the reader, who would wait for ever
                    waiting.put(request)
                    done.put(error)
                    return

        lanes = [engine for engine in self.engines for _ in range(max(1, parallel))]
        workers = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes]
        for worker in workers:
            worker.start()
        try:
            yield from self._collect(done, workers, len(requests))
        finally:
            stop.set()

    def _collect(
        self, done: "SimpleQueue[Response | Exception]", workers: list[threading.Thread], left: int
    ) -> Iterator[Response]:
        failure: Exception | None = None
        while left:
            try:
                result = done.get(timeout=0.2)
            except Empty:
                is_over = not any(worker.is_alive() for worker in workers) and done.empty()
                if failure is not None and is_over:
                    raise failure from None
                continue
            if isinstance(result, Exception):
                failure = result
            else:
                left -= 1
                yield result

    def stream(self, request: Request) -> AnswerStream:
        """Answer one request with the first engine."""
        return self.engines[0].stream(request)

    def describe(self) -> dict[str, Any]:
        """The first engine's description, and how many there are.

        Raises:
            UsageError: They do not serve the same; a run is of one model.
        """
        said = [engine.describe() for engine in self.engines]
        for field in SAME:
            if len(values := dict.fromkeys(str(one.get(field) or "unknown") for one in said)) > 1:
                listed = ", ".join(values)
                raise UsageError(f"the endpoints differ in {field}: {listed}", "Name those of one model.")
        return said[0] | {"endpoints": len(self.engines)}

    def close(self) -> None:
        """Close all engines."""
        for engine in self.engines:
            engine.close()

    def __enter__(self) -> "SpreadEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
