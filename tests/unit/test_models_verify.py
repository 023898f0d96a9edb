"""Verification of model folders: each kind of damage is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.micro_models import write_micro_llama, write_micro_qwen2
from web4mlx.errors import CheckFailed
from web4mlx.models.load_check import check_loading
from web4mlx.models.verify import inspect_model, try_loading, verify_model
from web4mlx.models.weights import expected_shapes

SHARD = "model-00002-of-00003.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_llama(tmp_path_factory.mktemp("whole"), shards=3)


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def problems(folder: Path) -> list[str]:
    return [problem for finding in inspect_model(folder, load=False) for problem in finding.problems]


def test_whole_model_passes_and_loads_in_mlx_lm(whole: Path) -> None:
    findings = {finding.check: finding for finding in verify_model(whole)}
    assert list(findings) == ["files", "weight files", "shapes", "chat template", "tokenizer", "loads"]
    assert "loads in mlx-lm" in findings["loads"].detail


@pytest.mark.parametrize("tied", [True, False])
def test_qwen2_with_biases_and_padded_rows_passes(tmp_path: Path, tied: bool) -> None:
    folder = write_micro_qwen2(tmp_path, tied=tied, layers=1, hidden=32, intermediate=64, shards=2)
    verify_model(folder, load=False)


def test_shapes_of_the_7b_come_from_its_configuration() -> None:
    config = {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        "tie_word_embeddings": False,
    }  # fmt: skip
    shapes = expected_shapes(config)
    assert len(shapes) == 339
    parameters = sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes.values())
    assert parameters == 7_615_616_512


def test_truncated_shard_is_found_without_reading_it(model: Path) -> None:
    shard = model / SHARD
    shard.write_bytes(shard.read_bytes()[:-10])
    assert any(SHARD in problem and "truncated" in problem for problem in problems(model))


def test_shard_cut_inside_its_header_is_found(model: Path) -> None:
    (model / SHARD).write_bytes((model / SHARD).read_bytes()[:20])
    assert any("truncated" in problem for problem in problems(model))


def test_missing_shard_is_named(model: Path) -> None:
    (model / SHARD).unlink()
    assert f"{SHARD}: named in {INDEX}, but missing" in problems(model)


def test_missing_single_file_is_named(tmp_path: Path) -> None:
    folder = write_micro_llama(tmp_path)
    (folder / "model.safetensors").unlink()
    assert "model.safetensors: missing" in problems(folder)


def test_tensor_in_another_shard_than_the_index_says_is_found(model: Path) -> None:
    edit(model / INDEX, lambda index: index["weight_map"].update({"model.norm.weight": SHARD}))
    assert any(problem.startswith("model.norm.weight: the index says") for problem in problems(model))


def test_tensor_the_index_forgets_and_stray_shards_are_found(model: Path) -> None:
    edit(model / INDEX, lambda index: index["weight_map"].pop("model.norm.weight"))
    shutil.copy(model / SHARD, model / "model-00009-of-00009.safetensors")
    found = problems(model)
    assert any("model.norm.weight" in problem and "not in the index" in problem for problem in found)
    assert "model-00009-of-00009.safetensors: a weight file that the index does not name" in found


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 3}'])
def test_malformed_index_is_a_problem_not_a_crash(model: Path, text: str) -> None:
    (model / INDEX).write_text(text)
    assert any("not a valid index" in problem for problem in problems(model))


def test_every_wrong_shape_is_listed_with_the_expected_one(model: Path) -> None:
    edit(model / "config.json", lambda config: config.update(intermediate_size=256))
    found = [problem for problem in problems(model) if "mlp" in problem]
    assert len(found) == 6
    expected = "model.layers.0.mlp.up_proj.weight: shape [128, 64], expected [256, 64] from config.json"
    assert expected in found


def test_missing_and_unexpected_tensors_are_named(model: Path) -> None:
    edit(model / "config.json", lambda config: config.update(attention_bias=True, num_hidden_layers=1))
    found = problems(model)
    assert "model.layers.0.self_attn.q_proj.bias: missing, expected [64]" in found
    assert any(problem.startswith("model.layers.1.mlp.up_proj.weight: unexpected") for problem in found)


def test_untied_model_must_have_a_head_and_a_tied_one_must_not(tmp_path: Path) -> None:
    tied = write_micro_llama(tmp_path / "tied")
    edit(tied / "config.json", lambda config: config.update(tie_word_embeddings=False))
    assert any(problem.startswith("lm_head.weight: missing") for problem in problems(tied))
    untied = write_micro_llama(tmp_path / "untied", tied=False)
    edit(untied / "config.json", lambda config: config.update(tie_word_embeddings=True))
    assert any(problem.startswith("lm_head.weight: unexpected") for problem in problems(untied))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba', expected one of llama, qwen2"),
        ({"hidden_size": None}, "config.json: int()"),
        ({"quantization": {"bits": 4}}, "the model is quantized"),
    ],
)
def test_configuration_that_cannot_be_trained_is_refused(
    model: Path, change: dict[str, Any], message: str
) -> None:
    edit(model / "config.json", lambda config: config.update(change))
    assert any(message in problem for problem in problems(model))


def test_packed_tensors_are_refused(tmp_path: Path) -> None:
    folder = write_micro_llama(tmp_path)
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"F32"', b'"I32"'))
    assert any("stored as I32" in problem for problem in problems(folder))


def test_config_that_is_no_json_is_a_problem_not_a_crash(model: Path) -> None:
    (model / "config.json").write_text("{,")
    assert any("config.json: not valid JSON" in problem for problem in problems(model))


def test_missing_chat_template_is_found(model: Path) -> None:
    edit(model / "tokenizer_config.json", lambda config: config.pop("chat_template"))
    assert any("no chat template" in problem for problem in problems(model))


@pytest.mark.parametrize("template", ["{{ nothing", "{{ 'constant' }}", "{{ raise_exception('no') }}"])
def test_chat_template_that_cannot_carry_a_message_is_found(model: Path, template: str) -> None:
    edit(model / "tokenizer_config.json", lambda config: config.update(chat_template=template))
    assert any("template" in problem for problem in problems(model))


def test_tokenizer_that_does_not_round_trip_is_found(model: Path) -> None:
    edit(model / "tokenizer.json", lambda backend: backend.update(normalizer={"type": "Lowercase"}))
    assert any(problem.startswith("does not round-trip") for problem in problems(model))


def test_tokenizer_file_that_is_none_is_a_problem_not_a_crash(model: Path) -> None:
    (model / "tokenizer.json").write_text("{}")
    assert any("not a tokenizer file" in problem for problem in problems(model))


def test_token_ids_beyond_the_embedding_are_found(model: Path) -> None:
    def add(backend: dict[str, Any]) -> None:
        token = {"id": 5000, "content": "<far>", "special": True, "normalized": False}
        backend["added_tokens"].append(token | dict.fromkeys(("single_word", "lstrip", "rstrip"), False))

    edit(model / "tokenizer.json", add)
    assert any("has no row in an embedding" in problem for problem in problems(model))


def test_end_token_that_is_not_in_the_vocabulary_is_found(model: Path) -> None:
    edit(model / "tokenizer_config.json", lambda config: config.update(eos_token="<|stop|>"))
    assert any("end token '<|stop|>'" in problem for problem in problems(model))


def test_model_that_computes_no_numbers_is_refused(tmp_path: Path) -> None:
    folder = write_micro_llama(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-4] + b"\xff\xff\xff\x7f")  # a NaN in the last norm
    with pytest.raises(ValueError, match="not finite"):
        check_loading(folder)


def test_reason_why_loading_failed_is_the_finding(whole: Path, model: Path) -> None:
    (model / SHARD).unlink()
    finding = try_loading(model)
    assert not finding.passed
    assert finding.problems[0].startswith("FileNotFoundError")


def test_all_problems_come_in_one_error(model: Path) -> None:
    (model / SHARD).unlink()
    (model / "tokenizer_config.json").unlink()
    with pytest.raises(CheckFailed) as caught:
        verify_model(model)
    assert SHARD in caught.value.message
    assert "tokenizer_config.json: missing" in caught.value.message
    assert "web4mlx download" in caught.value.hint
