"""Does any prompt of the suite stand in a training file, word for word or nearly?

A model that has seen the question proves nothing by its answer. Letter case and punctuation are ignored. A
prompt leaks when its words stand in a row anywhere in a sample, be it in the answer, or when it and the task
of a sample have nearly the same set of words. Runs of five words, by which training rows are compared with
each other, are blind here: prompts have ten to twenty words, and one other word spoils most of their runs.

What is not found: a prompt told in other words, a changed one inside a longer text, and one of fewer than
seven different words of which one was changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path

from evals.cases import Case
from evals.run_file import LeakCheck
from web4mlx.artifacts import sha256_file
from web4mlx.data.samples import Sample, read_rows
from web4mlx.errors import MissingPrerequisite

WORD = re.compile(r"\w+")
NEAR = 0.75  # Jaccard similarity of two sets of words; prompts and sample corpora of three seeds: 0.62


def check_leaks(cases: Mapping[str, Sequence[Case]], files: Iterable[Path]) -> LeakCheck:
    """Compare all prompts with all training samples.

    Args:
        cases: The cases by harness.
        files: Training files.
    """
    digests: dict[str, str] = {}
    samples: list[Sample] = []
    try:
        for file in files:
            samples += [row for row in read_rows(file) if isinstance(row, Sample)]
            digests[file.name] = sha256_file(file)
    except MissingPrerequisite as error:
        return LeakCheck(verdict="errored", files=digests, detail=error.message)
    if not samples:
        return LeakCheck(verdict="errored", detail="there is no training sample to compare with")
    leaks = tuple(find_leaks(cases, samples))
    detail = f"{sum(map(len, cases.values()))} prompts against {len(samples)} training samples"
    return LeakCheck(verdict="failed" if leaks else "passed", files=digests, leaks=leaks, detail=detail)


def find_leaks(cases: Mapping[str, Sequence[Case]], samples: Sequence[Sample]) -> Iterator[str]:
    """`harness/case ~ file:line (0.93)` for each prompt that is too like a training sample."""
    prompts = {
        f"{harness}/{case.id}": words_of(case.prompt) for harness, some in cases.items() for case in some
    }
    asked = {word for words in prompts.values() for word in words}
    whole = WordIndex([words_of(sample_text(sample)) for sample in samples], asked)
    owners, tasks = zip(*((sample, text) for sample in samples for text in task_texts(sample)), strict=True)
    near = WordIndex([words_of(text) for text in tasks], asked)
    for name, words in prompts.items():
        if (row := whole.find_holding(words)) is not None:
            yield _leak(name, samples[row], 1.0)
        elif (found := near.find_like(words)) is not None:
            yield _leak(name, owners[found[0]], found[1])


def _leak(name: str, sample: Sample, likeness: float) -> str:
    return f"{name} ~ {sample.file.name}:{sample.line} ({likeness:.2f})"


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def sample_text(sample: Sample) -> str:
    """All of a sample that a model is trained on."""
    return "\n".join((sample.instruction, sample.input, sample.output))


def task_texts(sample: Sample) -> list[str]:
    """The forms of a sample's task: the instruction, the input, and both."""
    together = f"{sample.instruction}\n{sample.input}"
    return [sample.instruction, sample.input, together] if sample.input else [sample.instruction]


class WordIndex:
    """Finds texts by the words in them.

    Args:
        texts: Each as its words, in order.
        asked: The words that will be asked for; others are not indexed.
    """

    def __init__(self, texts: Sequence[Sequence[str]], asked: set[str]) -> None:
        self._texts = [f" {' '.join(words)} " for words in texts]
        self._sets = [frozenset(words) for words in texts]
        self._rows: dict[str, list[int]] = {word: [] for word in asked}
        for row, words in enumerate(self._sets):
            for word in words & asked:
                self._rows[word].append(row)

    def find_holding(self, words: Sequence[str]) -> int | None:
        """The first text in which these words stand in a row."""
        wanted = f" {' '.join(words)} "
        rows = self._rows[self._rarest(words)[0]] if words else []
        return next((row for row in rows if wanted in self._texts[row]), None)

    def find_like(self, words: Sequence[str]) -> tuple[int, float] | None:
        """The text whose set of words is most similar, and how similar, if it is near.

        A near text lacks so few of the words that it has at least one of the rarest ones looked up here.
        """
        own = frozenset(words)
        looked_up = self._rarest(own)[: len(own) - ceil(NEAR * len(own)) + 1]
        rows = sorted({row for word in looked_up for row in self._rows[word]})
        likeness = {row: len(own & self._sets[row]) / len(own | self._sets[row]) for row in rows}
        best = max(rows, key=lambda row: likeness[row], default=None)
        return None if best is None or likeness[best] < NEAR else (best, likeness[best])

    def _rarest(self, words: Iterable[str]) -> list[str]:
        return sorted(set(words), key=lambda word: (len(self._rows[word]), word))
