"""The samples a selection can be made from: what is known of each, without its text.

Reads the files of a configuration; the choice itself is made in `select`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from web4mlx.config.schema import DataConfig
from web4mlx.data.duplicates import Shingles, Signature, shingle, sign
from web4mlx.data.rows import RowSet, fit_row, load_rows
from web4mlx.data.samples import TEXT_FIELDS, Sample, read_samples
from web4mlx.data.selection import read_selection
from web4mlx.events import EventLog, Progress
from web4mlx.models.tokenizer import ChatTokenizer

QUALITY = "quality_score"
REPORT_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sample. `tokens` are those of all its training rows; 0 when the length policy drops it.

    `quality` is None when the sample states none; a held-out sample is never chosen, nor is a copy of it.
    """

    sample_id: str
    tokens: int
    task_type: str
    quality: float | None
    shingles: Shingles
    signature: Signature
    is_held_out: bool = False


def read_candidates(
    data: DataConfig, tokenizer: ChatTokenizer, system: str, log: EventLog
) -> dict[str, list[Candidate]]:
    """The valid samples of each file of a configuration, the held-out file last.

    A selection that the configuration has already narrows the training files.

    Args:
        data: Files, length policy and, if any, the selection.
        tokenizer: The base's tokenizer, which counts.
        system: The system prompt, which every row carries.
        log: Receives progress.

    Raises:
        MissingPrerequisite: A file does not exist.
        UsageError: The selection cannot be read.
    """
    files = [*data.train, data.eval]
    tokens = {file: trained_tokens(load_rows([file], tokenizer, system), data) for file in files}
    allowed = read_selection(data.selection) if data.selection else None
    total, done = sum(map(len, tokens.values())), 0
    started = reported = time.monotonic()
    found: dict[str, list[Candidate]] = {}
    for file in files:
        is_eval = file == data.eval
        candidates = found.setdefault(str(file), [])
        for sample, count in zip(read_samples(file), tokens[file], strict=True):
            if is_eval or allowed is None or sample.sample_id in allowed:
                candidates.append(describe(sample, count, is_eval))
            done += 1
            if (now := time.monotonic()) - reported > REPORT_EVERY_S or done == total:
                eta_s = (now - started) / done * (total - done)
                log.write(Progress, done=done, total=total, unit="samples", message="read", eta_s=eta_s)
                reported = now
    return found


def trained_tokens(rows: RowSet, data: DataConfig) -> Sequence[int]:
    """Tokens of the training rows that each row makes under the length policy; 0 when it is dropped."""
    lengths: list[int] = rows.lengths.tolist()
    for index, length in enumerate(lengths):
        if length > data.max_seq_length:
            parts = fit_row(rows[index], data.max_seq_length, data.too_long)
            lengths[index] = sum(map(len, parts))
    return lengths


def describe(sample: Sample, tokens: int, is_eval: bool) -> Candidate:
    """What is known of one sample; `is_eval` says that its file is the held-out one."""
    shingles = shingle("\n".join(getattr(sample, name) for name in TEXT_FIELDS))
    metadata = sample.metadata
    return Candidate(
        sample_id=sample.sample_id,
        tokens=tokens,
        task_type=metadata["task_type"],
        quality=stated_quality(metadata.get(QUALITY)),
        shingles=shingles,
        signature=sign(shingles),
        is_held_out=is_eval or metadata.get("is_eval") is True or metadata.get("never_train") is True,
    )


def stated_quality(value: object) -> float | None:
    """A quality that is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)
