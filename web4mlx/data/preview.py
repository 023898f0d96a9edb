"""`data preview`: the tokens of samples as the model will be trained on them, and which it learns."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice, zip_longest
from pathlib import Path
from typing import Literal

from web4mlx.config.schema import DataConfig
from web4mlx.data.chat import Row, render_sample
from web4mlx.data.report import Part
from web4mlx.data.rows import fit_row
from web4mlx.data.samples import Sample, read_samples
from web4mlx.errors import UsageError
from web4mlx.models.tokenizer import ChatTokenizer


class PreviewPart(Part):
    """A run of tokens that are all supervised or all not."""

    text: str
    is_supervised: bool


class Preview(Part):
    """One training row. `fate` says what the length limit does to the sample.

    `ids`, `tokens` and `mask` are of equal length; `mask[i]` is true for a token the model learns to produce.
    A dropped sample is shown whole.
    """

    file: str
    line: int
    sample_id: str
    fate: Literal["kept", "dropped", "shortened", "split"]
    prompt_tokens: int
    supervised_tokens: int
    parts: tuple[PreviewPart, ...]
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    mask: tuple[bool, ...]


def preview_samples(
    samples: Sequence[Sample], tokenizer: ChatTokenizer, system: str, data: DataConfig
) -> Iterator[Preview]:
    """Yield the training rows of some samples after the length limit; a split sample yields several."""
    for sample in samples:
        whole = render_sample(tokenizer, sample, system)
        if len(whole) <= data.max_seq_length:
            yield _preview(sample, whole, "kept", tokenizer)
            continue
        rows = fit_row(whole, data.max_seq_length, data.too_long)
        if not rows:
            yield _preview(sample, whole, "dropped", tokenizer)
        for row in rows:
            yield _preview(sample, row, "shortened" if len(rows) == 1 else "split", tokenizer)


def _preview(
    sample: Sample, row: Row, fate: Literal["kept", "dropped", "shortened", "split"], tokenizer: ChatTokenizer
) -> Preview:
    runs = groupby(zip(row.tokens, row.mask, strict=True), key=lambda pair: pair[1])
    return Preview(
        file=str(sample.file),
        line=sample.line,
        sample_id=row.sample_id,
        fate=fate,
        prompt_tokens=len(row) - row.supervised,
        supervised_tokens=row.supervised,
        parts=tuple(
            PreviewPart(text=tokenizer.decode([token for token, _ in run]), is_supervised=is_supervised)
            for is_supervised, run in runs
        ),
        tokens=tuple(tokenizer.decode([token]) for token in row.tokens),
        ids=row.tokens,
        mask=row.mask,
    )


def choose_samples(files: Sequence[Path], count: int, sample_id: str = "") -> list[Sample]:
    """The first samples of the files, one of each file in turn; or the one with the given id.

    Raises:
        UsageError: No sample has the id, or the files hold no valid sample.
    """
    if sample_id:
        every = chain.from_iterable(read_samples(file) for file in files)
        chosen = [sample for sample in every if sample.sample_id == sample_id][:1]
        if not chosen:
            names = ", ".join(str(file) for file in files)
            raise UsageError(f"no valid sample has the id {sample_id!r} in {names}")
        return chosen
    in_turn = chain.from_iterable(zip_longest(*(read_samples(file) for file in files)))
    chosen = list(islice((sample for sample in in_turn if sample is not None), count))
    if not chosen:
        raise UsageError("the files hold no valid sample", "`web4mlx data check` says why.")
    return chosen
