"""Parts of the server: who may ask, tool calls in pieces, tokens from a vocabulary, options."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.micro_tokenizers import qwen_tokenizer_json
from web4mlx.assistant.answering import estimate_tokens
from web4mlx.engines.base import SamplingOptions
from web4mlx.engines.llama_vocabulary import open_vocabulary
from web4mlx.errors import UsageError
from web4mlx.serving.asked import parse_asked
from web4mlx.serving.guard import check_bind, host_of, is_local_origin
from web4mlx.serving.options import chosen_options
from web4mlx.serving.shown_model import ShownModel, whole
from web4mlx.serving.tool_calls import CLOSE, OPEN, CallFilter

TOKEN = "0123456789abcdef"
CALL = f'{OPEN}\n{{"name": "grep", "arguments": {{"pattern": "a"}}}}\n{CLOSE}'


def test_only_this_machine_is_listened_on_without_more_ado() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        check_bind(host, False, "")


@pytest.mark.parametrize(
    ("host", "allow", "token", "said"),
    [
        ("0.0.0.0", False, TOKEN, "not this machine alone"),
        ("192.168.1.5", False, "", "not this machine alone"),
        ("::", True, "", "there is no token"),
        ("0.0.0.0", True, "short", "too short"),
        ("127.0.0.1", False, "short", "too short"),
    ],
)
def test_others_need_both_the_permission_and_a_token(host: str, allow: bool, token: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        check_bind(host, allow, token)
    assert refused.value.hint
    assert "0123456789abcdef" not in refused.value.message


def test_with_both_it_is_allowed() -> None:
    check_bind("0.0.0.0", True, TOKEN)


def test_hosts_and_origins_of_this_machine_are_known() -> None:
    assert [host_of(h) for h in ("a.b:80", "[::1]:9", "", "[x")] == ["a.b", "::1", "localhost", "[x"]
    local = (
        "http://localhost:3000",
        "https://127.0.0.1",
        "vscode-webview://x",
        "app://obsidian.md",
        "file://",
    )
    assert all(map(is_local_origin, local))
    assert not any(map(is_local_origin, ("https://evil.com", "null", "http://localhost.evil.com")))


def test_the_forms_of_a_call_are_taken_out_of_the_text() -> None:
    calls = CallFilter()
    text, ended = calls.push(f"before {CALL} after")
    assert text == "before  after"
    assert ended == [{"name": "grep", "arguments": {"pattern": "a"}}]


@pytest.mark.parametrize(
    "bad", ["no json", '{"name": 1}', '{"arguments": {}}', '{"name": "a", "arguments": 3}']
)
def test_what_is_no_call_stays_text(bad: str) -> None:
    calls = CallFilter()
    text, ended = calls.push(f"{OPEN}{bad}{CLOSE}")
    assert (text, ended) == (f"{OPEN}{bad}{CLOSE}", [])
    calls.push(f"{OPEN}{bad}")
    assert calls.flush() == (f"{OPEN}{bad}", [])


def test_a_call_without_its_end_counts_when_it_is_complete() -> None:
    calls = CallFilter()
    calls.push(CALL.removesuffix(CLOSE))
    assert calls.flush() == ("", [{"name": "grep", "arguments": {"pattern": "a"}}])


@given(st.lists(st.sampled_from([CALL, "text", "<", "<tool", OPEN[:-1], "\n", "<b>"]), max_size=6), st.data())
def test_where_the_text_is_cut_into_pieces_does_not_matter(parts: list[str], data: st.DataObject) -> None:
    whole_text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole_text)), max_size=8)))
    once, pieces = CallFilter(), CallFilter()
    expected = once.push(whole_text)[0] + once.flush()[0]
    said = "".join(
        pieces.push(whole_text[a:b])[0] for a, b in zip([0, *cuts], [*cuts, len(whole_text)], strict=True)
    )
    assert said + pieces.flush()[0] == expected
    assert pieces.calls == once.calls


@pytest.fixture(scope="module")
def qwen_info() -> dict[str, Any]:
    """Qwen2.5's vocabulary as `show` lists it."""
    tokenizer = json.loads(qwen_tokenizer_json())
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__)
    added = [token["content"] for token in tokenizer["added_tokens"]]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*vocabulary, *added],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.token_type": [1] * len(vocabulary) + [3] * len(added),
    }


def test_tokens_are_counted_as_the_models_own_tokenizer_counts_them(qwen_info: dict[str, Any]) -> None:
    from tokenizers import Tokenizer

    reference = Tokenizer.from_str(qwen_tokenizer_json())
    count = open_vocabulary(qwen_info)
    assert count is not None
    for text in ("Hello, world!", "class A {\n    constructor() {}\n}\n", "Größe 12345 äöü 😀\n\n\n  x", "",
                 "<|im_start|>user\nhi<|im_end|>", "don't I'LL  tab\there"):  # fmt: skip
        assert count(text) == len(reference.encode(text, add_special_tokens=False).ids), text


@pytest.mark.parametrize("change", [{"tokenizer.ggml.model": "llama"}, {"tokenizer.ggml.pre": "new"},
                                    {"tokenizer.ggml.tokens": None}])  # fmt: skip
def test_an_unknown_vocabulary_is_estimated_and_nothing_refused(change: dict[str, Any]) -> None:
    info = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": ["a"],
            "tokenizer.ggml.merges": []}  # fmt: skip
    assert open_vocabulary({**info, **change}) is None
    asked = parse_asked("/api/chat", b'{"model": "m", "messages": []}')
    facts = ShownModel({"model_info": {**info, **change}}).facts(asked)
    assert (facts.is_exact, facts.count_tokens("abcd")) == (False, estimate_tokens("abcd"))


@pytest.mark.parametrize(
    ("parameters", "options", "trained", "expected"),
    [
        ("num_ctx                        8192", {}, 32768, 8192),
        ("num_ctx                        8192", {"num_ctx": 1024}, 32768, 1024),
        ("num_ctx                        8192", {"num_ctx": "x"}, 32768, 8192),
        ("", {}, 32768, 4096),
        ("num_ctx                        99999", {}, 2048, 2048),
    ],
)
def test_the_context_is_the_requests_then_the_models_then_the_smallest(
    parameters: str, options: dict[str, Any], trained: int, expected: int
) -> None:
    info = {"general.architecture": "qwen2", "qwen2.context_length": trained}
    shown = ShownModel({"parameters": parameters, "model_info": info})
    asked = parse_asked("/api/chat", json.dumps({"model": "m", "options": options}).encode())
    assert shown.facts(asked).context == expected


@pytest.mark.parametrize(("value", "number"), [("12", 12), (None, 0), ("x", 0), ("1e999", 0), ("[1]", 0)])
def test_whole_numbers_are_read_from_whatever_there_is(value: object, number: int) -> None:
    assert whole(value) == number


def options(path: str, **body: Any) -> SamplingOptions:
    asked = parse_asked(path, json.dumps({"model": "m", **body}).encode())
    return chosen_options(asked, SamplingOptions(temperature=0.5, max_tokens=7, stop=("x",)))


def test_options_of_both_dialects_are_read() -> None:
    native = options("/api/chat", options={"temperature": 0, "num_predict": -1, "seed": -1, "num_ctx": 9})
    assert (native.temperature, native.seed, native.stop) == (0.0, None, ("x",))
    assert native.max_tokens > 10**6
    open_ai = options("/v1/chat/completions", max_tokens=3, stop="end", seed=4)
    assert (open_ai.max_tokens, open_ai.stop, open_ai.seed, open_ai.temperature) == (3, ("end",), 4, 0.5)


@pytest.mark.parametrize("wrong", [{"top_k": "a"}, {"temperature": True}, {"stop": 3}, {"min_p": 9}])
def test_an_option_of_a_wrong_type_or_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        options("/api/generate", options=wrong)
