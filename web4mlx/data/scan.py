"""Reading all files once, on all cores: what each row holds, as small facts; no text is kept.

Files are cut into blocks of bytes; a block owns the lines that start in it. Each worker parses, encodes,
signs and searches its block, so that memory stays bounded by the facts, not by the texts.
"""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Literal

from web4mlx.data.chat import render_sample
from web4mlx.data.duplicates import Shingles, Signature, shingle, sign
from web4mlx.data.lengths import RowFrame
from web4mlx.data.rows import fit_row
from web4mlx.data.samples import TEXT_FIELDS, BadRow, Sample, parse_row
from web4mlx.data.secrets import SecretHit, find_secrets
from web4mlx.errors import StageCrashed
from web4mlx.models.tokenizer import ChatTokenizer

BLOCK_BYTES = 1 << 20
PARALLEL_FROM_BYTES = 8 << 20
BATCH_ROWS = 256
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class RowFacts:
    """One valid row: identity, shingles, token counts, flags and findings, without its text.

    `fitted` is the number of training rows it makes under the length limit (0: dropped).
    """

    line: int
    sample_id: str
    digest: bytes
    prompt_digest: bytes
    shingles: Shingles
    signature: Signature
    content_tokens: int
    row_tokens: int
    fitted: int
    is_never_train: bool
    is_eval: bool
    control_token: str
    secrets: tuple[SecretHit, ...]


@dataclass(slots=True)
class BlockFacts:
    """What stands in one block; line numbers count from the block's start until `move` is called."""

    lines: int = 0
    rows: list[RowFacts] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def move(self, lines: int) -> None:
        """Add the number of lines before this block to its line numbers."""
        for row in self.rows:
            row.line += lines
        self.bad = [replace(bad, line=bad.line + lines) for bad in self.bad]


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What the counts depend on besides the files."""

    tokenizer_folder: Path
    system: str
    max_seq_length: int
    too_long: Literal["drop", "keep_head", "split"]


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of a file that start at a byte offset in [start, end)."""

    path: Path
    start: int
    end: int


def cut_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Cut a file into blocks."""
    size = path.stat().st_size
    return [Block(path, start, min(start + block_bytes, size)) for start in range(0, size, block_bytes)]


def read_lines(block: Block) -> Iterator[bytes]:
    """The raw lines that start in a block, the last one read to its end."""
    with block.path.open("rb") as file:
        if block.start:
            file.seek(block.start - 1)
            file.readline()
        while file.tell() < block.end and (raw := file.readline()):
            yield raw


class Scanner:
    """Turns blocks into facts.

    Args:
        settings: Tokenizer, system prompt and length limit.
    """

    def __init__(self, settings: ScanSettings) -> None:
        self.settings = settings
        self.tokenizer = ChatTokenizer(settings.tokenizer_folder)
        self.frame = RowFrame(self.tokenizer, settings.system)

    def scan(self, block: Block) -> BlockFacts:
        """Read one block."""
        facts = BlockFacts()
        lines = read_lines(block)
        while batch := list(islice(lines, BATCH_ROWS)):
            samples = []
            for raw in batch:
                facts.lines += 1
                if not raw.strip():
                    continue
                row = parse_row(block.path, facts.lines, raw)
                if isinstance(row, Sample):
                    samples.append(row)
                else:
                    facts.bad.append(explain_bad_row(row))
            for sample, counts in zip(samples, self.frame.count(samples), strict=True):
                facts.rows.append(self._describe(sample, *counts))
        return facts

    def _describe(self, sample: Sample, content_tokens: int, row_tokens: int) -> RowFacts:
        texts = [getattr(sample, name) for name in TEXT_FIELDS]
        lowered = [text.lower() for text in texts]
        shingles = shingle("\n".join(lowered))
        hits = [
            hit
            for name, text, low in zip(TEXT_FIELDS, texts, lowered, strict=True)
            for hit in find_secrets(name, text, low)
        ]
        return RowFacts(
            line=sample.line,
            sample_id=sample.sample_id,
            digest=digest_texts(*texts),
            prompt_digest=digest_texts(*texts[:2]),
            shingles=shingles,
            signature=sign(shingles),
            content_tokens=content_tokens,
            row_tokens=row_tokens,
            fitted=self._fit(sample, row_tokens),
            is_never_train=sample.metadata.get("never_train") is True,
            is_eval=sample.metadata.get("is_eval") is True,
            control_token=self.frame.control_token_in("\n".join(texts)),
            secrets=tuple(hits),
        )

    def _fit(self, sample: Sample, row_tokens: int) -> int:
        settings = self.settings
        if row_tokens <= settings.max_seq_length:
            return 1
        if settings.too_long == "drop":
            return 0
        row = render_sample(self.tokenizer, sample, settings.system)
        return len(fit_row(row, settings.max_seq_length, settings.too_long))


def explain_bad_row(bad: BadRow) -> BadRow:
    """A bad row without its bytes, and with a plainer reason where the parser's is obscure."""
    if bad.raw.startswith(BOM):
        reason = "starts with a byte order mark; save the file as UTF-8 without one"
        return replace(bad, raw=b"", reason=reason)
    return replace(bad, raw=b"")


def digest_texts(*texts: str) -> bytes:
    """16 bytes that identify a sequence of texts."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        data = text.encode("utf-8")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


@lru_cache(maxsize=1)
def _scanner(settings: ScanSettings) -> Scanner:
    return Scanner(settings)


def _scan_block(settings: ScanSettings, block: Block) -> BlockFacts:
    return _scanner(settings).scan(block)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends the pool
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one process a core is enough


def scan_files(
    files: Sequence[Path], settings: ScanSettings, report: Callable[[int, int, float | None], None]
) -> list[BlockFacts]:
    """Read files into facts, one result a file, with the line numbers of the file.

    Args:
        files: Existing files.
        settings: What the counts depend on.
        report: Called with bytes done, bytes in all and the estimated seconds left.

    Raises:
        StageCrashed: A worker process died.
    """
    blocks = [block for file in files for block in cut_blocks(file)]
    found = {file: BlockFacts() for file in files}
    total = sum(block.end - block.start for block in blocks)
    started, done = time.monotonic(), 0
    report(0, total, None)
    for block, facts in zip(blocks, _run(blocks, settings, total), strict=True):
        whole = found[block.path]
        facts.move(whole.lines)
        whole.lines += facts.lines
        whole.rows += facts.rows
        whole.bad += facts.bad
        done += block.end - block.start
        report(done, total, (time.monotonic() - started) / done * (total - done))
    return list(found.values())


def _run(blocks: Sequence[Block], settings: ScanSettings, total_bytes: int) -> Iterator[BlockFacts]:
    workers = min(os.cpu_count() or 1, len(blocks))
    if total_bytes < PARALLEL_FROM_BYTES or workers < 2:
        yield from (_scan_block(settings, block) for block in blocks)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker)
    try:
        yield from pool.map(_scan_block, [settings] * len(blocks), blocks)
    except BrokenProcessPool as error:
        raise StageCrashed(
            "a worker of the data check died", "Usually memory ran out; close other programs and try again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
