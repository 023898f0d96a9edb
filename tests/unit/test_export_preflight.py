"""What export refuses before it converts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.micro_models import weight_shapes, write_json, write_micro_llama, write_weights
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError
from web4mlx.export.preflight import check_merged


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_micro_llama(tmp_path / "base", tied=False)


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    return write_micro_llama(tmp_path / "merged", tied=False, seed=1)


def edit(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text("utf-8")) | changes)


def rewrite(folder: Path, dtype: str = "F32", **changes: tuple[int, ...] | None) -> None:
    shapes: dict[str, Any] = weight_shapes(json.loads((folder / "config.json").read_text()), qkv_bias=False)
    for name, shape in changes.items():
        full = name.replace("__", ".")
        shapes = {k: v for k, v in shapes.items() if k != full} | ({full: shape} if shape else {})
    write_weights(folder, shapes, dtype=dtype)


def test_a_folder_like_its_base_passes(merged: Path, base: Path) -> None:
    source = check_merged(merged, base)
    assert source.folder == merged
    assert source.tokenizer.folder == base


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_tokenizer_drift_is_refused(merged: Path, base: Path, name: str) -> None:
    with (merged / name).open("a") as file:
        file.write("\n")
    with pytest.raises(CheckFailed, match="tokenizer differs from the base"):
        check_merged(merged, base)


def test_a_missing_and_an_extra_tensor_are_refused(merged: Path, base: Path) -> None:
    rewrite(merged, model__norm__weight=None)
    with pytest.raises(CheckFailed, match=r"model\.norm\.weight of the base is missing"):
        check_merged(merged, base)
    rewrite(merged, more__weight=(2, 2))
    with pytest.raises(CheckFailed, match=r"more\.weight is not in the base"):
        check_merged(merged, base)


def test_another_format_is_refused(merged: Path, base: Path) -> None:
    rewrite(merged, dtype="F16")
    with pytest.raises(CheckFailed, match="is F16"):
        check_merged(merged, base)


def test_a_changed_tie_is_refused(merged: Path, base: Path) -> None:
    edit(merged / "config.json", tie_word_embeddings=True)
    with pytest.raises(CheckFailed, match="tie_word_embeddings"):
        check_merged(merged, base)


def test_a_lost_head_is_refused(merged: Path, base: Path) -> None:
    for folder in (merged, base):
        rewrite(folder, lm_head__weight=None)
    with pytest.raises(CheckFailed, match=r"lm_head\.weight is missing"):
        check_merged(merged, base)


def test_a_quantized_folder_is_refused(merged: Path, base: Path) -> None:
    edit(merged / "config.json", quantization={"bits": 4, "group_size": 64})
    with pytest.raises(UsageError, match="quantized"):
        check_merged(merged, base)


def test_a_truncated_shard_is_refused(merged: Path, base: Path) -> None:
    shard = merged / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(MissingPrerequisite, match="truncated"):
        check_merged(merged, base)


def test_folders_with_code_are_refused(merged: Path, base: Path) -> None:
    (merged / "modeling.py").write_text("print('never run')")
    with pytest.raises(CheckFailed, match="code"):
        check_merged(merged, base)
    (merged / "modeling.py").unlink()
    edit(merged / "config.json", auto_map={"AutoModel": "modeling.Model"})
    with pytest.raises(CheckFailed, match="auto_map"):
        check_merged(merged, base)
