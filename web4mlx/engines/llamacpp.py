"""llama.cpp in this process: answers from a GGUF with continuous batching over parallel slots.

The GGUF's own chat template is applied by llama.cpp. Control tokens are part of the text, so that a stop
string can be one and a leaked one is seen. The native server insists on listening somewhere: it gets a
Unix socket in a private folder, no network port.
"""

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from web4mlx.artifacts import sha256_bytes, sha256_file
from web4mlx.engines.base import AnswerStream, Request, Response, SamplingOptions, refuse_duplicate_ids
from web4mlx.engines.llamacpp_call import Call
from web4mlx.engines.llamacpp_load import LoadOptions, count_tokens, load_server, read_properties
from web4mlx.errors import MissingPrerequisite, Web4Error
from web4mlx.machine.blas import usable_cores


class LlamaCppEngine:
    """Answers from a GGUF file.

    Args:
        gguf: The model.
        context: Tokens of prompt and answer together, per slot; llama.cpp rounds up to a multiple of 256
            and cuts at the model's own limit.
        parallel: Number of slots, that is, of requests decoded together.
        reuse_prompts: Keep a slot's prompt for the next one that begins alike. Faster; but it changes the
            order of floating-point sums, so that an answer may depend on what was asked before.
        threads: CPU threads; None takes the physical cores.

    Raises:
        MissingPrerequisite: The file does not exist.
        StageCrashed: llama.cpp cannot load it; says why.
    """

    def __init__(
        self,
        gguf: Path,
        *,
        context: int = 4096,
        parallel: int = 1,
        reuse_prompts: bool = False,
        threads: int | None = None,
    ) -> None:
        if not gguf.is_file():
            raise MissingPrerequisite(f"{gguf}: no such GGUF file", "`web4mlx export` makes one.")
        self.gguf = gguf
        self.parallel = parallel
        self.reuse_prompts = reuse_prompts
        self._closing = threading.Event()
        self._was_asked = False
        self._folder = tempfile.TemporaryDirectory(prefix="w4m-")
        self._load = LoadOptions(
            context, parallel, threads or usable_cores(), Path(self._folder.name) / "llama.sock"
        )
        try:
            self._server: Any = load_server(gguf, self._load)
            properties = read_properties(self._load.socket)
        except BaseException:
            self._folder.cleanup()
            raise
        self.context = int(properties["default_generation_settings"]["n_ctx"])
        self.chat_template = str(properties.get("chat_template", ""))
        self._end_tokens = [token] if (token := properties.get("eos_token")) else []

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        """Answer all requests in the order in which they complete; see `Engine.generate`.

        A request that is refused yields a response with `finish_reason` `error`; the others go on.
        """
        refuse_duplicate_ids(requests)
        left = threading.Event()
        pool = ThreadPoolExecutor(max(1, min(parallel, self.parallel)), thread_name_prefix="llama")
        try:
            for future in as_completed([pool.submit(self._answer, request, left) for request in requests]):
                yield future.result()
        finally:
            left.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, request: Request, left: threading.Event) -> Response:
        call = Call(request, lambda: left.is_set() or self._closing.is_set())
        start = time.perf_counter()
        self._was_asked = True
        try:
            return call.run(self._server, self._end_tokens, self.reuse_prompts)
        except Web4Error as error:
            elapsed_s = time.perf_counter() - start
            return Response(request.id, "", "error", 0, 0, elapsed_s, elapsed_s, error.message)

    def stream(self, request: Request) -> AnswerStream:
        """Answer one request piece by piece; leaving the iteration early stops the generation."""
        return AnswerStream(lambda: self._pieces(request))

    def _pieces(self, request: Request) -> Iterator[str | Response]:
        queue: SimpleQueue[str | Response | BaseException] = SimpleQueue()
        left = threading.Event()
        call = Call(request, lambda: left.is_set() or self._closing.is_set(), queue.put)

        def work() -> None:
            self._was_asked = True
            try:
                queue.put(call.run(self._server, self._end_tokens, self.reuse_prompts))
            except BaseException as error:  # handed to the reader, who raises it
                queue.put(error)

        worker = threading.Thread(target=work, name="llama-stream")
        worker.start()
        try:
            while True:
                piece = queue.get()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
                if isinstance(piece, Response):
                    return
        finally:
            left.set()
            worker.join()

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the chat template.

        Raises:
            StageCrashed: The engine is closed.
        """
        return count_tokens(self._load.socket, text)

    def describe(self) -> dict[str, Any]:
        """Engine, version, model, digests, context and slots."""
        from importlib.metadata import version

        return {
            "engine": "llama.cpp",
            "version": f"xllamacpp {version('xllamacpp')}",
            "model": str(self.gguf),
            "sha256": sha256_file(self.gguf),
            "chat_template_sha256": sha256_bytes(self.chat_template.encode()),
            "context": self.context,
            "parallel": self.parallel,
            "reuse_prompts": self.reuse_prompts,
            "threads": self._load.threads,
        }

    def close(self) -> None:
        """Stop running answers, unload the model and remove the socket."""
        self._closing.set()
        if self._server is not None and not self._was_asked:
            self._await_loop()
        self._server = None
        self._folder.cleanup()

    def _await_loop(self) -> None:
        """Wait until the server's loop runs: one that is told to end before it has begun never ends."""
        request = Request("last", prompt=" ", options=SamplingOptions(max_tokens=1))
        with suppress(Web4Error):
            Call(request, lambda: False).run(self._server, self._end_tokens, self.reuse_prompts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
