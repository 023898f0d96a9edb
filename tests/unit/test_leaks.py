"""A prompt of the suite that stands in a training file is found, exactly or nearly."""

import json
from pathlib import Path

import pytest

from evals.cases import Case
from evals.harnesses import NAMES, load_harness
from evals.leaks import check_leaks, words_of
from evals.version import PACKAGE, deciding_files

PROMPT = "Write a TypeScript class TicketPrinter that prints tickets for all visitors of the museum."


def case(prompt: str = PROMPT) -> Case:
    return Case(id="c1", category="create", phrasing="p", source="test", prompt=prompt)


def training(folder: Path, instruction: str, text: str = "", output: str = "ok") -> Path:
    row = {
        "instruction": instruction,
        "input": text,
        "output": output,
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
    found = check_leaks({"h": [case()]}, [training(tmp_path, instruction)])
    assert found.verdict == "failed"
    assert found.leaks == ("h/c1 ~ train.jsonl:1 (1.00)",)


def test_a_long_prompt_with_one_other_word_is_a_near_leak(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(120)]
    changed = [*words[:60], "other", *words[61:]]
    found = check_leaks({"h": [case(" ".join(words))]}, [training(tmp_path, " ".join(changed))])
    assert found.verdict == "failed"


def test_instruction_and_input_together_are_compared_too(tmp_path: Path) -> None:
    prompt = "Repair this class please.\nclass A { constructor(x: number) { this.x = x } }"
    first, second = prompt.split("\n")
    assert check_leaks({"h": [case(prompt)]}, [training(tmp_path, first, second)]).verdict == "failed"


def test_another_task_is_no_leak(tmp_path: Path) -> None:
    other = "Write a TypeScript class OrderReader that reads the orders of a shop."
    found = check_leaks({"h": [case()]}, [training(tmp_path, other)])
    assert found.verdict == "passed"
    assert list(found.files) == ["train.jsonl"]


def test_without_training_files_nobody_looked(tmp_path: Path) -> None:
    assert check_leaks({"h": [case()]}, [tmp_path / "gone.jsonl"]).verdict == "errored"
    assert check_leaks({"h": [case()]}, []).verdict == "errored"


SHORT = {name: min(load_harness(name).cases(), key=lambda case: len(case.prompt)) for name in NAMES}


@pytest.mark.parametrize("harness", NAMES)
@pytest.mark.parametrize("place", ["instruction", "input", "output", "behind a prefix"])
def test_the_shortest_prompt_of_each_harness_is_found_wherever_it_stands(
    tmp_path: Path, harness: str, place: str
) -> None:
    asked = SHORT[harness]
    texts = {"instruction": "Answer the user.", "input": "", "output": "ok"}
    if place == "behind a prefix":
        texts["instruction"] = f"You are a helpful engineer of Web4. {asked.prompt} Thank you!"
    else:
        texts[place] = asked.prompt
    file = training(tmp_path, texts["instruction"], texts["input"], texts["output"])
    found = check_leaks({harness: [asked]}, [file])
    assert found.leaks == (f"{harness}/{asked.id} ~ train.jsonl:1 (1.00)",)


@pytest.mark.parametrize("harness", NAMES)
def test_a_prompt_of_seven_different_words_or_more_is_found_with_one_of_them_changed(
    tmp_path: Path, harness: str
) -> None:
    for asked in load_harness(harness).cases()[::10]:
        words = words_of(asked.prompt)
        if len(set(words)) >= 7:
            words[len(words) // 2] = "elsewhere"
            found = check_leaks({harness: [asked]}, [training(tmp_path, " ".join(words))])
            assert found.verdict == "failed", asked.prompt


def test_a_prompt_that_only_ends_a_longer_word_is_no_leak(tmp_path: Path) -> None:
    file = training(tmp_path, "Rewrite a TypeScript classroom now, please.")
    assert check_leaks({"h": [case("Write a TypeScript class")]}, [file]).verdict == "passed"


def test_the_rule_for_leaks_is_part_of_the_suite_version() -> None:
    assert PACKAGE / "leaks.py" in deciding_files()
