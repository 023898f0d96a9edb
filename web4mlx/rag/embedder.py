"""Turns texts into vectors with all-MiniLM-L6-v2, from a folder that is named: never a silent fallback.

Counting tokens needs the tokenizer only; the model itself is loaded when something must be encoded. It runs
on the CPU everywhere, so that the same text has the same vector on every machine.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web4mlx.artifacts import sha256_file
from web4mlx.errors import MissingPrerequisite, StageCrashed, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

REQUIRED = ("modules.json", "config.json", "model.safetensors", "tokenizer.json", "sentence_bert_config.json")
BLOCK_BATCHES = 8
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What a store was embedded with: another model, window or dimension makes other vectors.

    `revision` is the SHA-256 of the weights.
    """

    model: str
    revision: str
    dimension: int
    window: int
    normalised: bool = True

    def as_metadata(self) -> dict[str, str | int | bool]:
        """As scalars for a collection's metadata."""
        return {
            "embedder": self.model,
            "embedder_revision": self.revision,
            "dimension": self.dimension,
            "window_tokens": self.window,
            "normalised": self.normalised,
        }


class Embedder:
    """A sentence-transformers model in a folder.

    Args:
        folder: The model's folder.
        name: The model's name, recorded in every collection.
        batch: Texts that are encoded at once.

    Raises:
        MissingPrerequisite: Files are missing.
    """

    def __init__(
        self, folder: Path, name: str = "sentence-transformers/all-MiniLM-L6-v2", batch: int = 32
    ) -> None:
        missing = [file for file in REQUIRED if not (folder / file).is_file()]
        if missing:
            raise MissingPrerequisite(
                f"{folder}: not a sentence-transformers model: {', '.join(missing)} missing",
                "Name a whole model's folder, or use the packaged one: embedder.source = 'package'.",
            )
        self.folder = folder
        self.name = name
        self.batch = batch
        self.window = int(self._read("sentence_bert_config.json")["max_seq_length"])

    @cached_property
    def identity(self) -> EmbedderIdentity:
        """What this embedder is; hashes the weights once."""
        dimension = int(self._read("config.json")["hidden_size"])
        return EmbedderIdentity(
            self.name, sha256_file(self.folder / "model.safetensors"), dimension, self.window
        )

    def count_tokens(self, text: str) -> int:
        """Tokens of a text as the model sees it, start and end marks included."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, texts: Sequence[str], progress: Report | None = None) -> "Vectors":
        """Encode texts; those of similar length together, so that little is padded.

        Args:
            texts: Any number of texts; what exceeds the window is refused, not cut.
            progress: Gets texts done and in total.

        Returns:
            float32 array of shape (texts, dimension); every row has length 1.

        Raises:
            UsageError: A text is longer than the window.
            StageCrashed: The model gave numbers that are none.
        """
        import numpy as np

        lengths = self.require_fitting(texts)
        order = sorted(range(len(texts)), key=lambda index: -lengths[index])
        vectors = np.zeros((len(texts), self.identity.dimension), dtype=np.float32)
        step = self.batch * BLOCK_BATCHES
        for start in range(0, len(order), step):
            block = order[start : start + step]
            vectors[block] = self._encode_block([texts[index] for index in block])
            if progress is not None:
                progress(min(start + step, len(order)), len(order))
        if not np.isfinite(vectors).all():
            raise StageCrashed(f"{self.name} gave vectors that are no numbers", "Check the model's files.")
        return vectors

    def require_fitting(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text.

        Raises:
            UsageError: One is longer than the window.
        """
        lengths = [len(one.ids) for one in self._tokenizer.encode_batch(list(texts))]
        for text, tokens in zip(texts, lengths, strict=True):
            if tokens > self.window:
                raise UsageError(
                    f"{tokens} tokens exceed the embedder's window of {self.window}: {text[:60]!r}",
                    "Shorten it: the model would ignore what exceeds its window.",
                )
        return lengths

    def _encode_block(self, texts: list[str]) -> "Vectors":
        found: Vectors = self._model.encode(
            texts,
            batch_size=self.batch,
            show_progress_bar=False,
            normalize_embeddings=True,
            convert_to_numpy=True,
        )
        return found

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_text("utf-8"))
        except ValueError as error:
            raise MissingPrerequisite(f"{self.folder / name}: not valid JSON") from error
        return content

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            return SentenceTransformer(str(self.folder), device="cpu", local_files_only=True)
        except (OSError, ValueError) as error:
            raise MissingPrerequisite(
                f"{self.folder}: cannot be loaded: {error}", "Get the model again; its files are damaged."
            ) from error
