"""A prompt of the suite that stands in a training file is found, exactly or nearly."""

import json
from pathlib import Path

import pytest

from evals.cases import Case
from evals.leaks import check_leaks

PROMPT = "Write a TypeScript class TicketPrinter that prints tickets for all visitors of the museum."


def case(prompt: str = PROMPT) -> Case:
    return Case(id="c1", category="create", phrasing="p", source="test", prompt=prompt)


def training(folder: Path, instruction: str, text: str = "") -> Path:
    row = {
        "instruction": instruction,
        "input": text,
        "output": "ok",
        "metadata": {"task_type": "t", "sample_id": "s1"},
    }
    path = folder / "train.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    "instruction",
    [
        PROMPT,
        PROMPT.upper(),
        PROMPT.replace(" ", "  ").rstrip("."),
        PROMPT.replace("visitors of", "visitors, of"),
    ],
)
def test_the_same_words_are_a_leak(tmp_path: Path, instruction: str) -> None:
    found = check_leaks({"h": [case()]}, [training(tmp_path, instruction)], 0.85)
    assert found.verdict == "failed"
    assert found.leaks == ("h/c1 ~ train.jsonl:1 (1.00)",)


def test_a_long_prompt_with_one_other_word_is_a_near_leak(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(120)]
    changed = [*words[:60], "other", *words[61:]]
    found = check_leaks({"h": [case(" ".join(words))]}, [training(tmp_path, " ".join(changed))], 0.85)
    assert found.verdict == "failed"


def test_instruction_and_input_together_are_compared_too(tmp_path: Path) -> None:
    prompt = "Repair this class please.\nclass A { constructor(x: number) { this.x = x } }"
    first, second = prompt.split("\n")
    assert check_leaks({"h": [case(prompt)]}, [training(tmp_path, first, second)], 0.85).verdict == "failed"


def test_another_task_is_no_leak(tmp_path: Path) -> None:
    other = "Write a TypeScript class OrderReader that reads the orders of a shop."
    found = check_leaks({"h": [case()]}, [training(tmp_path, other)], 0.85)
    assert found.verdict == "passed"
    assert list(found.files) == ["train.jsonl"]


def test_without_training_files_nobody_looked(tmp_path: Path) -> None:
    assert check_leaks({"h": [case()]}, [tmp_path / "gone.jsonl"], 0.85).verdict == "errored"
    assert check_leaks({"h": [case()]}, [], 0.85).verdict == "errored"
