"""Choosing samples for a budget, by share, copy, quality, kind of task and chance; writing it down."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data_files import (
    SYSTEM,
    make_config,
    make_eval_row,
    make_row,
    make_text,
    micro_tokenizer,
    write_rows,
)
from web4mlx.config import RunConfig, load_config
from web4mlx.data.duplicates import shingle, sign
from web4mlx.data.selection import load_training_rows, read_selection
from web4mlx.errors import CheckFailed, UsageError
from web4mlx.events import Event, EventLog
from web4mlx.plan.candidates import Candidate, read_candidates
from web4mlx.plan.select import Selection, choose, propose, share_out
from web4mlx.plan.selected_config import write_selected_config

SIMILARITY = 0.85


def candidate(
    sample_id: str,
    tokens: int = 10,
    *,
    kind: str = "code",
    quality: float | None = None,
    text: str = "",
    is_held_out: bool = False,
) -> Candidate:
    """A sample with a text of its own, unless one is given."""
    shingles = shingle(text or make_text(sample_id))
    return Candidate(sample_id, tokens, kind, quality, shingles, sign(shingles), is_held_out)


def chosen_ids(files: dict[str, list[Candidate]], budget: int, seed: int = 7) -> tuple[str, ...]:
    return propose(files, budget, seed, SIMILARITY).sample_ids


@st.composite
def parts(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """A budget, weights, and a limit to each weight."""
    weights = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
    limits = [draw(st.integers(0, weight)) for weight in weights]
    return draw(st.integers(0, 2 * sum(weights))), weights, limits


@given(parts())
def test_a_budget_is_given_out_whole_in_proportion_and_within_the_limits(
    case: tuple[int, list[int], list[int]],
) -> None:
    budget, weights, limits = case
    given_out = share_out(budget, weights, limits)
    assert sum(given_out) == min(budget, sum(limits))
    assert all(0 <= got <= limit for got, limit in zip(given_out, limits, strict=True))
    free = [part for part in range(len(weights)) if given_out[part] < limits[part]]
    left = sum(given_out[part] for part in free)
    for part in free:
        fair = left * weights[part] / sum(weights[one] for one in free)
        assert abs(given_out[part] - fair) <= 1 + 1e-6 * fair
        for other in set(range(len(weights))) - set(free):
            # exact shares are at one level; each was rounded by less than one
            assert (given_out[other] - 1) / weights[other] <= (given_out[part] + 1) / weights[part] + 1e-9


@st.composite
def corpora(draw: st.DrawFn) -> dict[str, list[Candidate]]:
    """Files of different samples of some kinds, lengths and qualities."""
    files = {}
    for name in draw(st.sampled_from(["a", "ab", "abcd"])):
        drawn = draw(
            st.lists(
                st.tuples(st.integers(1, 60), st.sampled_from("xyz"), st.sampled_from([None, 1.0, 2.0])),
                min_size=1,
                max_size=12,
            )
        )
        files[name] = [
            candidate(f"{name}{number}", tokens, kind=kind, quality=quality)
            for number, (tokens, kind, quality) in enumerate(drawn)
        ]
    return files


def share_fits(candidates: list[Candidate], budget: int, total: int) -> bool:
    """Whether a file's share of the budget certainly holds one of its samples."""
    share = min(budget, total) * sum(one.tokens for one in candidates) // total
    return min(one.tokens for one in candidates) <= share


@settings(max_examples=60)
@given(corpora(), st.floats(0.1, 1.3), st.integers(0, 3))
def test_a_selection_keeps_to_its_budget_and_every_file_to_its_share(
    files: dict[str, list[Candidate]], part: float, seed: int
) -> None:
    total = sum(one.tokens for candidates in files.values() for one in candidates)
    budget = int(part * total)
    if not any(share_fits(candidates, budget, total) for candidates in files.values()):
        return
    selection = propose(files, budget, seed, SIMILARITY)
    chosen = set(selection.sample_ids)
    known = {one.sample_id: one for candidates in files.values() for one in candidates}
    assert len(chosen) == len(selection.sample_ids)
    assert selection.tokens == sum(known[sample_id].tokens for sample_id in chosen) <= budget
    assert [sample_id for sample_id in known if sample_id in chosen] == list(selection.sample_ids)
    assert sum(one.share for one in selection.files) == pytest.approx(1)
    for row in selection.files:
        candidates = files[row.file]
        fair = min(budget, total) * sum(one.tokens for one in candidates) / total
        unchosen = [one.tokens for one in candidates if one.sample_id not in chosen]
        assert row.tokens <= fair + 1
        assert not unchosen or row.tokens + min(unchosen) > fair - 1
        assert (row.available, row.duplicates, row.chosen) == (
            len(candidates), 0, len(candidates) - len(unchosen),
        )  # fmt: skip
    if part >= 1:
        assert chosen == set(known)


@given(corpora(), st.integers(1, 200))
def test_every_kind_of_task_stays_in_when_the_shortest_of_each_fit(
    files: dict[str, list[Candidate]], budget: int
) -> None:
    for candidates in files.values():
        chosen = choose(candidates, budget)
        shortest = {
            kind: min(one.tokens for one in candidates if one.task_type == kind)
            for kind in {one.task_type for one in candidates}
        }
        assert sum(one.tokens for one in chosen) <= budget
        if sum(shortest.values()) <= budget:
            assert {one.task_type for one in chosen} == set(shortest)
        assert bool(chosen) == (min(shortest.values()) <= budget)


def test_the_better_samples_go_first_and_unrated_ones_last() -> None:
    qualities = [None, 50, 90, 70, 100, None, 60, 80]
    samples = [candidate(f"s{number}", quality=quality) for number, quality in enumerate(qualities)]
    assert set(chosen_ids({"a": samples}, 30)) == {"s2", "s4", "s7"}
    assert set(chosen_ids({"a": samples}, 60)) == {"s1", "s2", "s3", "s4", "s6", "s7"}


def test_equally_good_samples_are_drawn_by_the_seed_not_by_their_place() -> None:
    samples = [candidate(f"s{number}") for number in range(60)]
    first = chosen_ids({"a": samples}, 200)
    assert first == chosen_ids({"a": samples}, 200)
    assert first != chosen_ids({"a": samples}, 200, seed=8)
    assert not {one.sample_id for one in samples[:20]} <= set(first)
    random.Random(1).shuffle(samples)
    assert set(first) == set(chosen_ids({"a": samples}, 200))


def test_the_best_of_copies_stays_wherever_it_stands() -> None:
    text = make_text("one", 150)
    near = " ".join(["other", *text.split()[1:]])
    files = {
        "a": [candidate("a0", text=text, quality=1), candidate("a1"), candidate("a2", text=text.upper())],
        "b": [candidate("b0", text=near, quality=9), candidate("b1")],
    }
    selection = propose(files, 1000, 7, SIMILARITY)
    assert selection.sample_ids == ("a1", "b0", "b1")
    assert [(one.available, one.duplicates, one.chosen) for one in selection.files] == [(3, 2, 1), (2, 0, 2)]
    assert selection.available == 5


def test_what_copies_leave_of_a_budget_goes_to_the_other_files() -> None:
    text = make_text("one", 150)
    copies = [candidate(f"a{number}", text=text) for number in range(10)]
    files = {"a": copies, "b": [candidate(f"b{number}") for number in range(10)]}
    selection = propose(files, 100, 7, SIMILARITY)
    assert [one.tokens for one in selection.files] == [10, 90]
    assert [one.corpus_share for one in selection.files] == [0.5, 0.5]


def test_held_out_samples_and_their_copies_never_enter() -> None:
    text = make_text("secret", 150)
    files = {
        "a": [candidate("a0"), candidate("a1", text=text), candidate("a2", is_held_out=True)],
        "eval": [candidate("e0", text=text, is_held_out=True), candidate("e1", is_held_out=True)],
    }
    selection = propose(files, 1000, 7, SIMILARITY)
    assert selection.sample_ids == ("a0",)
    assert [(one.file, one.available) for one in selection.files] == [("a", 1)]


def test_samples_that_no_line_can_name_apart_are_refused() -> None:
    with pytest.raises(CheckFailed, match="stand more than once, the first of them 'a'"):
        chosen_ids({"x": [candidate("a")], "y": [candidate("a", text=make_text("b"))]}, 100)


@pytest.mark.parametrize("budget", [-5, 0, 9])
def test_a_budget_without_room_for_any_sample_is_refused(budget: int) -> None:
    with pytest.raises(UsageError, match="no sample fits"):
        chosen_ids({"a": [candidate("a")]}, budget)
    with pytest.raises(UsageError, match="no sample fits"):
        chosen_ids({"a": [candidate("a", 0), candidate("b", is_held_out=True)]}, 100)


def read(config: RunConfig, events: list[Event] | None = None) -> dict[str, list[Candidate]]:
    log = EventLog(None, "plan", "plan", (events if events is not None else []).append)
    return read_candidates(config.data, micro_tokenizer(), SYSTEM, log)


def rated(sample_id: str, quality: object) -> dict[str, object]:
    return make_row(sample_id, metadata={"quality_score": quality})


def test_candidates_are_the_valid_samples_with_their_facts(tmp_path: Path) -> None:
    rows = [
        rated("good", 90), rated("flag", True), rated("text", "90"), rated("half", 0.5), b"no json",
        make_eval_row("marked"),
    ]  # fmt: skip
    config = make_config(tmp_path, train=[write_rows(tmp_path / "train.jsonl", rows)])
    events: list[Event] = []
    train, held_out = read(config, events).values()
    assert [one.quality for one in train] == [90, None, None, 0.5, None]
    assert [one.sample_id for one in train if one.is_held_out] == ["marked"]
    assert [one.task_type for one in train[:4]] == ["style_core"] * 4
    assert all(one.is_held_out for one in held_out)
    assert len(held_out) == 3
    assert events[-1].model_dump()["done"] == 8


@pytest.mark.parametrize("policy", ["drop", "split", "keep_head"])
def test_tokens_are_those_the_trainer_will_see(tmp_path: Path, policy: str) -> None:
    rows = [make_row("short"), make_row("long", output=make_text("long", 300)), make_row("other")]
    train = [write_rows(tmp_path / "train.jsonl", rows)]
    limit = 400
    config = make_config(tmp_path, train=train, max_seq_length=limit, too_long=policy)
    candidates, _ = read(config).values()
    selection = propose(read(config), 10**6, 7, SIMILARITY)
    fitted, _ = load_training_rows(config.data, micro_tokenizer(), SYSTEM).fit(limit, config.data.too_long)
    assert (candidates[1].tokens == 0) == (policy != "split")
    assert ("long" in selection.sample_ids) == (policy == "split")
    assert selection.tokens == int(fitted.offsets[-1])


def proposed(folder: Path, seed: int = 7) -> tuple[RunConfig, Selection]:
    rows = [make_row(f"sample-{number}") for number in range(30)]
    config = make_config(folder, train=[write_rows(folder / "train.jsonl", rows)])
    return config, propose(read(config), 1500, seed, SIMILARITY)


def lines_of(file: Path) -> Sequence[str]:
    return file.read_text("utf-8").splitlines()


def test_a_selected_configuration_loads_and_trains_exactly_what_was_chosen(in_tmp: Path) -> None:
    config, selection = proposed(in_tmp)
    written = write_selected_config(config, Path("full.toml"), selection, Path("plans/short.toml"), hours=1.5)
    assert (written.config, written.ids) == (Path("plans/short.toml"), Path("plans/short.ids"))
    short = load_config(written.config)
    assert short.data.selection == written.ids
    assert short.model_copy(update={"data": config.data}) == config
    rows = load_training_rows(short.data, micro_tokenizer(), SYSTEM)
    assert 0 < len(rows) < 30
    assert tuple(rows.sample_ids) == selection.sample_ids
    assert int(rows.offsets[-1]) == selection.tokens
    head = "\n".join(line for line in lines_of(written.ids) if line.startswith("#"))
    assert "for 1.5 hours of training, from full.toml" in head
    assert "with seed 7." in head
    assert f"{len(rows)} of 30 samples, {selection.tokens:,} tokens" in head


def test_a_selection_can_be_narrowed_again(in_tmp: Path) -> None:
    config, wide = proposed(in_tmp)
    written = write_selected_config(config, Path("full.toml"), wide, Path("wide"))
    again = propose(read(load_config(written.config)), 500, 8, SIMILARITY)
    assert set(again.sample_ids) < set(wide.sample_ids)


def test_the_configuration_it_is_made_from_is_never_overwritten(in_tmp: Path) -> None:
    config, selection = proposed(in_tmp)
    source = in_tmp / "full.toml"
    source.write_text("# precious\n")
    for out in ("full", "full.toml", "./full"):
        with pytest.raises(UsageError, match="would overwrite"):
            write_selected_config(config, source, selection, Path(out))
    assert source.read_text() == "# precious\n"
    assert not (in_tmp / "full.ids").exists()


def test_names_with_dots_keep_them(in_tmp: Path) -> None:
    config, selection = proposed(in_tmp)
    written = write_selected_config(config, Path("full.toml"), selection, Path("v1.5"))
    assert (written.config.name, written.ids.name) == ("v1.5.toml", "v1.5.ids")
    assert set(read_selection(written.ids)) == set(selection.sample_ids)
