"""Does any prompt of the suite stand in a training file, exactly or nearly?

A model that has seen the question proves nothing by its answer. Prompts are compared with the task of each
training sample, alone and with its input: exactly (letter case and punctuation ignored) and by word shingles.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from evals.cases import Case
from evals.run_file import LeakCheck
from web4mlx.artifacts import sha256_file
from web4mlx.data.samples import Sample, read_rows
from web4mlx.errors import MissingPrerequisite


def check_leaks(cases: Mapping[str, Sequence[Case]], files: Iterable[Path], threshold: float) -> LeakCheck:
    """Compare all prompts with all training samples.

    Args:
        cases: The cases by harness.
        files: Training files.
        threshold: Jaccard similarity of word shingles from which a prompt counts as leaked.
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
    leaks = tuple(find_leaks(cases, samples, threshold))
    detail = f"{sum(map(len, cases.values()))} prompts against {len(samples)} training samples"
    return LeakCheck(verdict="failed" if leaks else "passed", files=digests, leaks=leaks, detail=detail)


def find_leaks(
    cases: Mapping[str, Sequence[Case]], samples: Sequence[Sample], threshold: float
) -> Iterable[str]:
    """`harness/case ~ file:line (0.93)` for each prompt that is too like a training sample."""
    import numpy as np

    from web4mlx.data.duplicates import NearIndex, shingle, sign

    prompts = [(f"{harness}/{case.id}", case.prompt) for harness, some in cases.items() for case in some]
    tasks = [(sample, text) for sample in samples for text in task_texts(sample)]
    shingles = [shingle(text) for _, text in tasks] + [shingle(text) for _, text in prompts]
    index = NearIndex(threshold, shingles, np.stack([sign(one) for one in shingles]), recall=0.99)
    for row in range(len(tasks)):
        index.add(row)
    for number, (name, _) in enumerate(prompts):
        match = index.find(len(tasks) + number)
        if match:
            sample = tasks[match.row][0]
            yield f"{name} ~ {sample.file.name}:{sample.line} ({match.similarity:.2f})"


def task_texts(sample: Sample) -> list[str]:
    """What of a sample a prompt is compared with."""
    alone = [sample.instruction]
    return [*alone, f"{sample.instruction}\n{sample.input}"] if sample.input else alone
