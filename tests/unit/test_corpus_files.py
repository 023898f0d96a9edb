"""The files of the sample corpus: schema, counts, determinism, and nothing of the evaluation in training."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from web4mlx.data.corpus import DEMO_QUESTIONS, corpus_counts, foreign_files, held_out, write_corpus
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.plan import plan
from web4mlx.data.corpus.rows import FILES, TRAIN_FILES, Row
from web4mlx.data.corpus.words import Split
from web4mlx.data.samples import Sample, read_rows
from web4mlx.events import Event, EventLog, Progress

EXTRA = {
    "style_core": {"pattern_name", "layer", "source"},
    "domain_patterns": {"pdca_id", "agent_name", "source"},
    "process_framework": {"category", "source"},
    "domain_representatives": {"pdca_id", "agent_name", "date", "quarter", "quality_score"},
    "style_refactor": {"cmm_transition", "pattern_applied"},
    "guardrails": {"violation_type", "severity", "is_negative_example"},
    "tool_awareness": {"concept_taught", "is_generic_tool"},
    "reporting_protocol": {"pdca_id", "agent_name", "date"},
    "eval": {"is_eval", "never_train"},
}
FULL = {
    "style_core": 12_000,
    "domain_patterns": 8000,
    "process_framework": 5000,
    "domain_representatives": 3000,
    "style_refactor": 3000,
    "guardrails": 2000,
    "tool_awareness": 1000,
    "reporting_protocol": 3000,
    "eval": 2000,
}


def write_demo(folder: Path, seed: int = 7) -> dict[str, int]:
    return write_corpus(folder, "demo", seed, EventLog(None, "test", "sample"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    rows = {name: list(read_rows(folder / f"{name}.jsonl")) for name in FILES}
    assert all(isinstance(row, Sample) for row in chain(*rows.values()))
    return {name: [row for row in found if isinstance(row, Sample)] for name, found in rows.items()}


@pytest.fixture(scope="module")
def training(demo: dict[str, list[Sample]]) -> list[Sample]:
    return [row for name in TRAIN_FILES for row in demo[name]]


def text_of(row: Sample) -> str:
    return f"{row.instruction} {row.input} {row.output}"


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_demo(tmp_path / name, seed)
    for name in FILES:
        first, same, other = ((tmp_path / folder / f"{name}.jsonl").read_bytes() for folder in "abc")
        assert first == same
        assert first != other


def test_counts_are_those_announced(demo: dict[str, list[Sample]]) -> None:
    assert {name: len(rows) for name, rows in demo.items()} == corpus_counts("demo")


def test_full_scale_has_the_counts_of_the_real_corpus() -> None:
    assert corpus_counts("full") == FULL
    parts = Counter[str]()
    for share in plan("full"):
        parts[getattr(share.produce, "keywords", {}).get("pattern_name", "")] += share.train
    assert parts["empty_constructor"] + 200 == 3000


def test_every_row_carries_the_metadata_of_its_file(demo: dict[str, list[Sample]]) -> None:
    for name, rows in demo.items():
        for row in rows:
            assert EXTRA[name] <= set(row.metadata)


def test_sample_ids_are_unique_over_all_files(demo: dict[str, list[Sample]]) -> None:
    ids = [row.sample_id for row in chain(*demo.values())]
    assert len(ids) == len(set(ids))


def test_evaluation_rows_are_marked_and_come_from_all_eight_files(demo: dict[str, list[Sample]]) -> None:
    assert all(
        row.metadata["is_eval"] is True and row.metadata["never_train"] is True for row in demo["eval"]
    )
    assert {row.metadata["stratum"] for row in demo["eval"]} == set(TRAIN_FILES)


def test_no_row_is_nearly_another_one_in_training_or_evaluation(demo: dict[str, list[Sample]]) -> None:
    shingles = [
        frozenset(Row(row.instruction, row.input, row.output, "").shingles()) for row in chain(*demo.values())
    ]
    for index, one in enumerate(shingles):
        for other in shingles[:index]:
            assert len(one & other) < 0.85 * len(one | other)


def test_training_never_names_what_is_held_out(training: list[Sample]) -> None:
    reserved = held_out()
    everything = "\n".join(text_of(row) for row in training)
    for word in (*reserved.components, *reserved.agents, *reserved.files):
        assert word not in everything


def test_training_never_asks_in_a_held_out_phrasing(training: list[Sample]) -> None:
    reserved = held_out()
    questions = "\n".join(row.instruction for row in training)
    openings = [template.partition("{")[0] for template in chain(*reserved.phrasings.values())]
    assert not [text for text in openings if len(text.split()) > 3 and text in questions]
    assert not [text for text in chain(*reserved.questions.values()) if text in questions]


def test_training_never_uses_held_out_facts(training: list[Sample]) -> None:
    reserved = held_out()
    everything = "\n".join(text_of(row) for row in training)
    cases = [*chain(*reserved.situations.values()), *reserved.decisions]
    facts = [case.get("lesson") or case["next"] for case in cases]
    assert len(facts) == 26
    assert not [fact for fact in facts if fact in everything]
    tools = [row.output for row in training if row.metadata["task_type"] == "tool_call"]
    for value in (*reserved.terms, *reserved.commands, *reserved.folders):
        assert not [call for call in tools if json.dumps(value) in call]


def test_the_questions_of_the_demo_are_held_out(training: list[Sample]) -> None:
    reserved = held_out()
    asked = {row.instruction for row in training}
    assert not asked & set(DEMO_QUESTIONS)
    assert DEMO_QUESTIONS[0] in reserved.questions["empty_constructor"]
    assert all(any(name in question for name in reserved.components) for question in DEMO_QUESTIONS[1:])


def test_held_out_words_are_no_training_words() -> None:
    def words(split: Split) -> set[str]:
        dealer = Dealer(split, "x")
        return {dealer.subject().component for _ in range(3000)}

    assert not words("train") & words("held_out")
    assert words("held_out") <= set(held_out().components)


def test_progress_reports_an_estimate(tmp_path: Path) -> None:
    seen: list[Event] = []
    with EventLog(None, "test", "sample", seen.append) as log:
        write_corpus(tmp_path, "demo", 1, log)
    reports = [event for event in seen if isinstance(event, Progress)]
    assert (
        reports[-1].done
        == reports[-1].total
        == sum(corpus_counts("demo").values()) - corpus_counts("demo")["eval"]
    )
    assert all(event.eta_s is not None for event in reports)


def test_only_generated_files_count_as_own(tmp_path: Path) -> None:
    write_demo(tmp_path)
    assert foreign_files(tmp_path) == []
    (tmp_path / "eval.jsonl").write_text('{"instruction": "mine"}\n')
    (tmp_path / "guardrails.jsonl").write_bytes(b"\xff\xfe")
    assert [path.name for path in foreign_files(tmp_path)] == ["guardrails.jsonl", "eval.jsonl"]
