"""Each check of a GGUF: passes on what was predicted, fails on what was changed."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from tests.micro_models import write_micro_llama
from web4mlx.export.checks import (
    Found,
    check_fallbacks,
    check_golden,
    check_size,
    check_template,
    check_tensors,
    check_tokenizer,
    read_golden,
)  # fmt: skip
from web4mlx.export.predict import BLOCKS, Prediction, predict_gguf, vocabulary_size
from web4mlx.export.preflight import ExportSource, check_merged, expected_pre_tokenizer


@pytest.fixture
def source(tmp_path: Path) -> ExportSource:
    base = write_micro_llama(tmp_path / "base", hidden=256, intermediate=256)
    merged = write_micro_llama(tmp_path / "merged", hidden=256, intermediate=256, seed=1)
    return check_merged(merged, base)


@pytest.fixture
def prediction(source: ExportSource) -> Prediction:
    return predict_gguf(source.files.tensors, vocabulary_size(source.base, 400), "Q4_K_M")


@pytest.fixture
def found(source: ExportSource, prediction: Prediction) -> Found:
    tensors, offset = [], 0
    for name, tensor in prediction.tensors.items():
        size = tensor.size_bytes
        tensors.append({"name": name, "type": BLOCKS[tensor.type][0], "size_bytes": size, "offset": offset})
        offset += size + -size % 32
    metadata = {
        "tokenizer.ggml.eos_token_id": source.tokenizer.end_token_id,
        "tokenizer.chat_template": source.tokenizer.template_source,
    }
    tokens = [source.tokenizer.encode(text) for text in read_golden().values()]
    return Found(metadata, tensors, 1000, tokens)


def test_what_was_predicted_passes(source: ExportSource, prediction: Prediction, found: Found) -> None:
    checks = [
        check_tensors(found, prediction),
        check_fallbacks(prediction, []),
        check_tokenizer(found, source.tokenizer),
        check_template(found, source.tokenizer),
        check_golden(found, read_golden(), source),
    ]
    assert {check.verdict for check in checks} == {"passed"}


def test_a_missing_tensor_fails(prediction: Prediction, found: Found) -> None:
    check = check_tensors(replace(found, tensors=found.tensors[1:]), prediction)
    assert check.verdict == "failed"
    assert "missing" in check.detail


def test_another_type_fails(prediction: Prediction, found: Found) -> None:
    changed = [dict(found.tensors[0]) | {"type": 2}, *found.tensors[1:]]
    check = check_tensors(replace(found, tensors=changed), prediction)
    assert check.verdict == "failed"
    assert "type 2" in check.detail


def test_an_unexpected_fallback_fails(prediction: Prediction) -> None:
    assert prediction.fallbacks == 0
    line = "warning: blk.0.ffn_up.weight - ncols 100 not divisible by 256 -> falling back to q5_0"
    assert check_fallbacks(prediction, [line]).verdict == "failed"


def test_a_missing_fallback_fails(source: ExportSource, tmp_path: Path) -> None:
    narrow = write_micro_llama(tmp_path / "narrow", hidden=64)
    tensors = check_merged(narrow, narrow).files.tensors
    prediction = predict_gguf(tensors, 0, "Q4_K_M")
    assert prediction.fallbacks == 14
    assert check_fallbacks(prediction, ["x -> falling back to q5_0"] * 14).verdict == "passed"
    assert check_fallbacks(prediction, ["x -> falling back to q5_0"] * 13).verdict == "failed"


@pytest.mark.parametrize(("share", "verdict"), [(1.0, "passed"), (1.005, "passed"), (1.02, "failed"),
                                                (0.97, "failed")])  # fmt: skip
def test_the_size_may_differ_by_one_percent(
    tmp_path: Path, prediction: Prediction, found: Found, share: float, verdict: str
) -> None:
    gguf = tmp_path / "x.gguf"
    gguf.write_bytes(b"")
    with gguf.open("r+b") as file:
        file.truncate(int(prediction.file_bytes * share))
    assert check_size(gguf, found, prediction).verdict == verdict


def test_a_file_shorter_than_its_tensors_fails(tmp_path: Path, prediction: Prediction, found: Found) -> None:
    gguf = tmp_path / "x.gguf"
    gguf.write_bytes(bytes(prediction.file_bytes))
    late = replace(found, data_offset=prediction.file_bytes)
    assert "truncated" in check_size(gguf, late, prediction).detail


def test_another_end_token_fails(source: ExportSource, found: Found) -> None:
    changed = found.metadata | {"tokenizer.ggml.eos_token_id": 0}
    assert check_tokenizer(replace(found, metadata=changed), source.tokenizer).verdict == "failed"


@pytest.mark.parametrize("template", [None, "{{ messages }}"])
def test_another_template_fails(source: ExportSource, found: Found, template: str | None) -> None:
    changed = {k: v for k, v in found.metadata.items() if k != "tokenizer.chat_template"}
    if template:
        changed["tokenizer.chat_template"] = template
    assert check_template(replace(found, metadata=changed), source.tokenizer).verdict == "failed"


def test_one_other_token_in_the_golden_texts_fails(source: ExportSource, found: Found) -> None:
    tokens = [*found.tokens[:-1], [*found.tokens[-1][:-1], 7]]
    check = check_golden(replace(found, tokens=tokens), read_golden(), source)
    assert check.verdict == "failed"
    assert list(read_golden())[-1] in check.detail


def test_the_golden_texts_are_many_distinct_and_composed() -> None:
    golden = read_golden()
    assert len(golden) >= 20
    assert all(unicodedata.is_normalized("NFC", text) for text in golden.values())


def test_the_pre_tokenizer_is_read_from_the_tokenizer(tmp_path: Path) -> None:
    digits = {"type": "Digits", "individual_digits": True}
    split = {"type": "Split", "pattern": {"Regex": r"x|\p{N}| ?[^\s\p{L}\p{N}]+y"}}
    cases = [
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits]}}, "smollm"),
        ({"pre_tokenizer": split, "normalizer": {"type": "NFC"}}, "qwen2"),
        ({"pre_tokenizer": split, "normalizer": None}, None),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, None),
    ]
    for content, expected in cases:
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        assert expected_pre_tokenizer(tmp_path) == expected
