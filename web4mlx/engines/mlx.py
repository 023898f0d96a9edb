"""MLX in this process: answers from a model folder in Hugging Face layout, with or without an adapter.

mlx-lm's batch generator decodes up to `parallel` requests together; each has its own random state, so that a
seed means the same answer in any company. Text comes from the folder's own tokenizer and chat template.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from web4mlx.artifacts import describe_input, sha256_bytes
from web4mlx.engines.base import AnswerStream, Request, Response, refuse_duplicate_ids
from web4mlx.engines.mlx_batch import generate_pieces
from web4mlx.engines.mlx_model import find_adapter, load_model
from web4mlx.errors import UsageError
from web4mlx.machine.mlx_runtime import DeviceChoice, DtypeChoice


class MlxEngine:
    """Answers from a base or merged model folder.

    Args:
        folder: Model and tokenizer files.
        adapter: A run's adapter folder (its `mlx/` is taken) or a folder in mlx-lm's layout.
        context: Tokens of prompt and answer together; None takes the model's own limit.
        device: Where to compute.
        dtype: Precision of the weights; `auto` takes what training takes on this machine.

    Raises:
        MissingPrerequisite: A file is missing.
        StageCrashed: mlx-lm cannot load the model or the adapter; says why.
    """

    def __init__(
        self,
        folder: Path,
        adapter: Path | None = None,
        *,
        context: int | None = None,
        device: DeviceChoice = "auto",
        dtype: DtypeChoice = "auto",
    ) -> None:
        self.folder = folder
        self.adapter = adapter
        self._loaded: Any = load_model(folder, adapter, device, dtype)
        self.context = min(context or self._loaded.context, self._loaded.context)

    def generate(self, requests: Sequence[Request], parallel: int = 1) -> Iterator[Response]:
        """Answer all requests in the order in which they complete; see `Engine.generate`.

        A request that is refused yields a response with `finish_reason` `error`; the others go on.
        """
        refuse_duplicate_ids(requests)
        for piece in self._run(requests, parallel):
            if isinstance(piece, Response):
                yield piece

    def stream(self, request: Request) -> AnswerStream:
        """Answer one request piece by piece; leaving the iteration early stops the generation."""
        return AnswerStream(lambda: self._stream(request))

    def _stream(self, request: Request) -> Iterator[str | Response]:
        for piece in self._run([request], 1):
            if isinstance(piece, Response) and piece.finish_reason == "error":
                raise UsageError(piece.error)
            yield piece

    def _run(self, requests: Sequence[Request], parallel: int) -> Iterator[str | Response]:
        return generate_pieces(self._loaded, requests, parallel, self.context)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the chat template."""
        return len(self._loaded.tokenizer.encode(text))

    def describe(self) -> dict[str, Any]:
        """Engine, version, model and adapter with digests, context, precision and device."""
        from importlib.metadata import version

        adapter = describe_input(find_adapter(self.adapter)) if self.adapter else None
        return {
            "engine": "mlx",
            "version": f"mlx-lm {version('mlx-lm')}, mlx {version('mlx')}",
            "model": str(self.folder),
            "sha256": describe_input(self.folder).sha256,
            "adapter": str(self.adapter) if self.adapter else None,
            "adapter_sha256": adapter.sha256 if adapter else None,
            "chat_template_sha256": sha256_bytes(self._loaded.tokenizer.template_source.encode()),
            "context": self.context,
            "dtype": self._loaded.dtype,
            "device": self._loaded.device,
        }

    def close(self) -> None:
        """Release the model and MLX's buffer cache."""
        import mlx.core as mx

        self._loaded = None
        mx.clear_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
