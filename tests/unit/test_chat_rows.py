"""What the model learns from a chat: exactly the answers and their end tokens."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.micro_models import write_micro_llama, write_micro_qwen2
from web4mlx.data.chat import Row, render_chat, split_chat
from web4mlx.data.rows import RowSet, TooLong, fit_row, load_rows
from web4mlx.errors import UsageError
from web4mlx.models.tokenizer import ChatTokenizer

THREE_TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "First?"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "Second?"},
    {"role": "assistant", "content": "Two\n\nlines."},
    {"role": "user", "content": "Third?"},
    {"role": "assistant", "content": "Three."},
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    folder = tmp_path_factory.mktemp("llama")
    write_micro_llama(folder)
    return ChatTokenizer(folder)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    folder = tmp_path_factory.mktemp("qwen")
    write_micro_qwen2(folder)
    return ChatTokenizer(folder)


def supervised_text(tokenizer: ChatTokenizer, row: Row) -> str:
    return tokenizer.decode([t for t, m in zip(row.tokens, row.mask, strict=True) if m])


@pytest.mark.parametrize("which", ["tokenizer", "qwen"])
def test_three_turn_chat_supervises_every_answer_with_its_end_token(
    which: str, request: pytest.FixtureRequest
) -> None:
    chat_tokenizer: ChatTokenizer = request.getfixturevalue(which)
    row = render_chat(chat_tokenizer, THREE_TURNS)
    assert supervised_text(chat_tokenizer, row) == "One.<|im_end|>Two\n\nlines.<|im_end|>Three.<|im_end|>"
    answers = ("One.", "Two\n\nlines.", "Three.")
    assert row.supervised == sum(len(chat_tokenizer.encode(answer)) + 1 for answer in answers)
    assert row.tokens[-1] == chat_tokenizer.end_token_id


def test_qwen_tokens_are_those_of_the_whole_rendered_chat(qwen: ChatTokenizer) -> None:
    row = render_chat(qwen, THREE_TURNS)
    whole = qwen.encode(qwen.render(THREE_TURNS).rstrip("\n"))
    assert list(row.tokens) == whole


def test_prompt_tokens_are_those_of_generation(tokenizer: ChatTokenizer) -> None:
    messages = [*THREE_TURNS[:2], {"role": "assistant", "content": "\n leading newline"}]
    row = render_chat(tokenizer, messages)
    prompt = tokenizer.encode(tokenizer.render(messages[:-1], add_generation_prompt=True))
    assert list(row.tokens[: len(prompt)]) == prompt
    assert not any(row.mask[: len(prompt)])
    assert all(row.mask[len(prompt) :])


def test_matches_transformers_chat_template(tokenizer: ChatTokenizer, qwen: ChatTokenizer) -> None:
    from transformers import AutoTokenizer

    for chat_tokenizer in (tokenizer, qwen):
        reference = AutoTokenizer.from_pretrained(chat_tokenizer.folder)
        expected = reference.apply_chat_template(THREE_TURNS, tokenize=False)
        assert chat_tokenizer.render(THREE_TURNS) == expected
        assert reference(expected, add_special_tokens=False).input_ids == chat_tokenizer.encode(expected)


def test_template_that_rewrites_earlier_turns_is_refused(tokenizer: ChatTokenizer) -> None:
    rewriting = ChatTokenizer(tokenizer.folder)
    rewriting.template_source = (
        "{{ messages | length }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    )
    with pytest.raises(UsageError, match="changes earlier turns"):
        split_chat(rewriting, THREE_TURNS)


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.integers(3, 60), answer=st.integers(1, 120), limit=st.integers(40, 100),
    policy=st.sampled_from(["drop", "keep_head", "split"]),
)  # fmt: skip
def test_fitted_rows_end_with_the_end_token_and_teach_something(
    prompt: int, answer: int, limit: int, policy: TooLong
) -> None:
    end = 7
    tokens = tuple([1, end, *range(100, 100 + prompt), end, 2, *range(500, 500 + answer), end])
    mask = (False,) * (prompt + 4) + (True,) * (answer + 1)
    kept, report = RowSet([Row(tokens, mask, "a")]).fit(limit, policy)
    assert report.too_long == (len(tokens) > limit)
    assert bool(report.dropped) == (len(kept) == 0)
    for row in kept:
        assert len(row) <= limit
        assert row.tokens[-1] == end
        assert row.supervised >= 1


def test_keep_head_keeps_the_whole_answer_and_the_template() -> None:
    end = 7
    tokens = (1, 9, end, 3, *range(100, 140), end, 4, 5, *range(200, 210), end)
    row = Row(tokens, (False,) * 47 + (True,) * 11, "a")
    (short,) = fit_row(row, 50, "keep_head")
    assert short.tokens == (1, 9, end, 3, *range(100, 132), end, 4, 5, *range(200, 210), end)
    assert short.supervised == 11


def test_split_supervises_each_answer_token_once() -> None:
    tokens = (1, 7, *range(200, 290), 7)
    row = Row(tokens, (False,) * 2 + (True,) * 91, "a")
    parts = fit_row(row, 40, "split")
    taught = [t for part in parts for t, m in zip(part.tokens, part.mask, strict=True) if m]
    assert taught == [*range(200, 290), 7]


def test_rows_come_from_the_cache_unchanged(tmp_path: Path, tokenizer: ChatTokenizer) -> None:
    import random

    from tests.training_project import sample_row, write_jsonl

    file = tmp_path / "a.jsonl"
    write_jsonl(file, [sample_row(i, random.Random(i)) for i in range(5)])
    first = load_rows([file], tokenizer, "S")
    again = load_rows([file], tokenizer, "S")
    other = load_rows([file], tokenizer, "T")
    assert first.digest == again.digest != other.digest
    assert first.sample_ids == again.sample_ids
