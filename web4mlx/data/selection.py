"""Which samples of the training files are trained on: a text file that names them, read, written, applied.

One sample id a line; blank lines and lines that start with `#` are passed over. The order of the lines means
nothing: rows keep the order of their files. Who chooses the samples is not this module's business.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from web4mlx.artifacts import atomic_write
from web4mlx.config.schema import DataConfig
from web4mlx.data.rows import RowSet, load_rows
from web4mlx.errors import UsageError
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.textfile import read_text

SHOWN = 5
COMMENT = "#"
FIRST_LINE = "The samples to train on, one id a line."


def load_training_rows(data: DataConfig, tokenizer: ChatTokenizer, system: str) -> RowSet:
    """Rows of the training files before the length policy: of all samples, or of those selected.

    Raises:
        UsageError: The selection cannot be read, or does not fit the training files.
    """
    rows = load_rows(data.train, tokenizer, system)
    return select_rows(rows, data.selection) if data.selection else rows


def select_rows(rows: RowSet, file: Path) -> RowSet:
    """The rows whose samples a selection names, in their own order.

    Raises:
        UsageError: The file cannot be read, or an id is that of no sample or of several.
    """
    wanted = read_selection(file)
    counts = Counter(sample_id for sample_id in rows.sample_ids if sample_id in wanted)
    problems = [
        f"{file}:{line}: {sample_id!r} is the id of {counts[sample_id] or 'no'} samples in data.train"
        for sample_id, line in wanted.items()
        if counts[sample_id] != 1
    ]
    refuse(problems, "Select from the files that data.train lists; `web4mlx data check` checks ids.")
    return rows.select([index for index, sample_id in enumerate(rows.sample_ids) if sample_id in wanted])


def read_selection(file: Path) -> dict[str, int]:
    """The ids a selection names, each with its line (from 1).

    Raises:
        MissingPrerequisite: The file does not exist.
        UsageError: It is not UTF-8 text, names no sample, or names one twice.
    """
    text = read_text(file, f"data.selection = '{file}': no such file")
    lines: dict[str, int] = {}
    problems = []
    for number, sample_id in named(text):
        first = lines.setdefault(sample_id, number)
        if first != number:
            problems.append(f"{file}:{number}: {sample_id!r} stands in line {first} already")
    refuse(problems, "Name each sample once.")
    if not lines:
        raise UsageError(f"{file}: names no sample", "Write one sample id a line, or remove data.selection.")
    return lines


def named(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and ids of a selection's text."""
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        if content and not content.startswith(COMMENT):
            yield number, content


def refuse(problems: list[str], hint: str) -> None:
    """Raise the first few problems of a selection, if there are any."""
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise UsageError("\n".join([*problems[:SHOWN], *more]), hint)


def write_selection(file: Path, sample_ids: Iterable[str], comments: Iterable[str]) -> None:
    """Write a selection that `read_selection` reads back, headed by comments.

    Raises:
        UsageError: An id cannot stand on a line of its own.
    """
    head = [line for comment in (FIRST_LINE, *comments) for line in comment.split("\n")]
    lines = [f"{COMMENT} {line}".rstrip() for line in head]
    for sample_id in sample_ids:
        if [*named(sample_id)] != [(1, sample_id)]:
            raise UsageError(
                f"sample_id {sample_id!r} cannot stand in a selection",
                "Give the sample an id without line breaks, surrounding blanks and a # at its start.",
            )
        lines.append(sample_id)
    atomic_write(file, "\n".join(lines) + "\n")
