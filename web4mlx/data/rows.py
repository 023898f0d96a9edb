"""Training rows of whole files: tokenized once, cached, and fitted to the longest allowed length.

The cache holds rows before any shortening; its key is the file's content, the tokenizer, its template and
the system prompt. A row that is too long is handled by a stated policy and counted, never cut silently.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from web4mlx.artifacts import cache_folder, explain_os_errors, sha256_bytes, sha256_file
from web4mlx.data.chat import Row, join_segments, split_chat
from web4mlx.data.samples import Sample, read_samples
from web4mlx.models.tokenizer import ChatTokenizer

CACHE_VERSION = 1
BATCH = 2000
MIN_PROMPT_TOKENS = 16
TooLong = Literal["drop", "keep_head", "split"]


@dataclass(frozen=True)
class LengthReport:
    """What happened to rows longer than the limit: counts, and the ids of dropped samples."""

    rows: int = 0
    too_long: int = 0
    shortened: int = 0
    split: int = 0
    dropped: tuple[str, ...] = field(default=())


class RowSet:
    """Many rows in flat arrays.

    Args:
        rows: The rows, in order.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        self.offsets: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        total = int(self.offsets[-1])
        self.tokens: NDArray[np.int32] = np.fromiter((t for row in rows for t in row.tokens), np.int32, total)
        self.mask: NDArray[np.bool_] = np.fromiter((m for row in rows for m in row.mask), np.bool_, total)
        self.sample_ids = [row.sample_id for row in rows]

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __getitem__(self, index: int) -> Row:
        start, end = self.offsets[index], self.offsets[index + 1]
        return Row(tuple(self.tokens[start:end].tolist()), tuple(self.mask[start:end].tolist()),
                   self.sample_ids[index])  # fmt: skip

    def __iter__(self) -> Iterator[Row]:
        return (self[index] for index in range(len(self)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.offsets)

    def length(self, index: int) -> int:
        """Tokens of one row."""
        return int(self.offsets[index + 1] - self.offsets[index])

    @property
    def supervised(self) -> NDArray[np.int64]:
        """Supervised tokens of each row."""
        return np.add.reduceat(self.mask.astype(np.int64), self.offsets[:-1]) if len(self) else self.lengths

    @property
    def digest(self) -> str:
        """SHA-256 of all tokens, masks and row borders."""
        return sha256_bytes(self.tokens.tobytes() + self.mask.tobytes() + self.offsets.tobytes())

    def select(self, indices: Sequence[int]) -> "RowSet":
        """The rows of these numbers, in this order."""
        chosen = RowSet([])
        spans = [slice(self.offsets[index], self.offsets[index + 1]) for index in indices]
        chosen.tokens = np.concatenate([self.tokens[:0], *(self.tokens[span] for span in spans)])
        chosen.mask = np.concatenate([self.mask[:0], *(self.mask[span] for span in spans)])
        chosen.offsets = np.concatenate([[0], np.cumsum(self.lengths[list(indices)])]).astype(np.int64)
        chosen.sample_ids = [self.sample_ids[index] for index in indices]
        return chosen

    def fit(self, max_length: int, policy: TooLong) -> tuple["RowSet", LengthReport]:
        """Apply the length policy; every kept row ends with its end token and has a supervised token."""
        if not (self.lengths > max_length).any():
            return self, LengthReport(len(self))
        kept: list[Row] = []
        shortened = split = 0
        dropped: list[str] = []
        for row in self:
            if len(row) <= max_length:
                kept.append(row)
                continue
            parts = fit_row(row, max_length, policy)
            kept.extend(parts)
            shortened += len(parts) == 1
            split += len(parts) > 1
            if not parts:
                dropped.append(row.sample_id)
        too_long = shortened + split + len(dropped)
        return RowSet(kept), LengthReport(len(kept), too_long, shortened, split, tuple(dropped))


def fit_row(row: Row, max_length: int, policy: TooLong) -> list[Row]:
    """Fit one row that is too long.

    `keep_head` cuts the end of the user's text and keeps the whole answer; `split` makes several rows, each
    with the whole prompt and a part of the answer (preceded by a quarter window of what came before, not
    supervised). Both apply to chats of one answer; what cannot be fitted is dropped.

    Returns:
        No row when the sample is dropped, else one or more rows of at most `max_length` tokens.
    """
    prompt_length = row.mask.index(True)
    prompt, answer = row.tokens[:prompt_length], row.tokens[prompt_length:]
    if policy == "drop" or not all(row.mask[prompt_length:]):
        return []
    if policy == "keep_head":
        return _cut_prompt(prompt, answer, max_length, row.sample_id)
    return _split_answer(prompt, answer, max_length, row.sample_id)


def _cut_prompt(
    prompt: tuple[int, ...], answer: tuple[int, ...], max_length: int, sample_id: str
) -> list[Row]:
    """Drop tokens directly before the end token of the user's turn."""
    end_token = answer[-1]
    tail_start = len(prompt) - 1 - prompt[::-1].index(end_token)
    excess = len(prompt) + len(answer) - max_length
    turn_start = len(prompt[:tail_start]) - _distance_to(prompt[:tail_start], end_token)
    if tail_start - excess < turn_start + MIN_PROMPT_TOKENS:
        return []
    shorter = prompt[: tail_start - excess] + prompt[tail_start:]
    return [Row(shorter + answer, (False,) * len(shorter) + (True,) * len(answer), sample_id)]


def _distance_to(tokens: tuple[int, ...], token: int) -> int:
    """How many tokens stand behind the last occurrence of `token` (all when there is none)."""
    return tokens[::-1].index(token) if token in tokens else len(tokens)


def _split_answer(
    prompt: tuple[int, ...], answer: tuple[int, ...], max_length: int, sample_id: str
) -> list[Row]:
    window = max_length - len(prompt) - 1
    if window < MIN_PROMPT_TOKENS:
        return []
    end_token, body = answer[-1], answer[:-1]
    rows: list[Row] = []
    done = 0
    while done < len(body):
        context = body[max(0, done - window // 4) : done] if done else ()
        part = body[done : done + window - len(context)]
        done += len(part)
        is_last = done == len(body)
        tokens = prompt + context + part + (end_token,)
        unsupervised = len(prompt) + len(context)
        mask = (False,) * unsupervised + (True,) * len(part) + (is_last,)
        rows.append(Row(tokens, mask, f"{sample_id}#{len(rows) + 1}"))
    return rows


def load_rows(files: Sequence[Path], tokenizer: ChatTokenizer, system: str) -> RowSet:
    """Rows of all valid samples of some files, in file order, from the cache where possible."""
    parts = [_load_file(file, tokenizer, system) for file in files]
    if len(parts) == 1:
        return parts[0]
    merged = RowSet([])
    merged.tokens = np.concatenate([part.tokens for part in parts])
    merged.mask = np.concatenate([part.mask for part in parts])
    merged.offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))])
    merged.sample_ids = [sample_id for part in parts for sample_id in part.sample_ids]
    return merged


def _load_file(file: Path, tokenizer: ChatTokenizer, system: str) -> RowSet:
    key = sha256_bytes(f"{CACHE_VERSION}|{sha256_file(file)}|{tokenizer.digest}|{system}".encode())
    cached = cache_folder() / "rows" / f"{key[:40]}.npz"
    if cached.exists():
        with np.load(cached, allow_pickle=False) as arrays:
            rows = RowSet([])
            rows.tokens, rows.mask, rows.offsets = arrays["tokens"], arrays["mask"], arrays["offsets"]
            rows.sample_ids = arrays["sample_ids"].tolist()
            return rows
    rows = RowSet(list(encode_samples(read_samples(file), tokenizer, system)))
    cached.parent.mkdir(parents=True, exist_ok=True)
    temporary = cached.with_suffix(".tmp.npz")
    with explain_os_errors(cached):
        np.savez(
            temporary, tokens=rows.tokens, mask=rows.mask, offsets=rows.offsets,
            sample_ids=np.array(rows.sample_ids, dtype=np.str_),
        )  # fmt: skip
        temporary.replace(cached)
    return rows


def encode_samples(samples: Iterator[Sample], tokenizer: ChatTokenizer, system: str) -> Iterator[Row]:
    """Render and encode samples, many at a time on all cores, in order."""
    while batch := list(islice(samples, BATCH)):
        chats = [split_chat(tokenizer, sample.messages(system)) for sample in batch]
        encoded = iter(tokenizer.encode_batch([segment.text for chat in chats for segment in chat]))
        for sample, chat in zip(batch, chats, strict=True):
            yield join_segments(chat, [next(encoded) for _ in chat], sample.sample_id)
