"""Merging: exact sums, untouched everything else, refusals before anything is written."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.merged_models import fuse_quietly, write_random_adapter
from tests.micro_models import write_json, write_micro_llama, write_weights
from web4mlx.artifacts import describe_input, folder_digest, read_manifest
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError, Web4Error
from web4mlx.events import Finished, Progress
from web4mlx.fuse.base import INDEX, read_model_files
from web4mlx.fuse.parity import Parity
from web4mlx.models.safetensors_header import read_safetensors_header
from web4mlx.train.adapter import read_adapter


@pytest.fixture(params=["F32", "F16", "BF16"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_micro_llama(tmp_path / "base", dtype=request.param, shards=3)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_micro_llama(tmp_path / "base", shards=3)


def load_torch(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found


def test_each_adapted_tensor_is_the_float32_sum_rounded_once(base: Path, tmp_path: Path) -> None:
    import torch

    adapter = read_adapter(write_random_adapter(tmp_path / "adapter", base))
    fuse_quietly(tmp_path / "adapter", base, tmp_path / "out")
    before, after = load_torch(base), load_torch(tmp_path / "out")
    for module, (a, b) in adapter.tensors.items():
        delta = adapter.scale * (torch.from_numpy(b).double() @ torch.from_numpy(a).double())
        exact = before[f"{module}.weight"].double() + delta
        got = after[f"{module}.weight"]
        assert got.dtype == before[f"{module}.weight"].dtype
        step = torch.finfo(got.dtype).eps * exact.abs().clamp(min=2**-14)
        assert bool(((got.double() - exact).abs() <= 0.51 * step + 1e-7).all()), module
        assert not torch.equal(got, before[f"{module}.weight"])


def test_headers_and_untouched_tensors_and_all_other_files_are_byte_identical(
    base: Path, tmp_path: Path
) -> None:
    adapter = read_adapter(write_random_adapter(tmp_path / "adapter", base))
    fuse_quietly(tmp_path / "adapter", base, tmp_path / "out")
    changed = {f"{module}.weight" for module in adapter.tensors}
    for file in base.iterdir():
        ours, theirs = (tmp_path / "out" / file.name).read_bytes(), file.read_bytes()
        if file.suffix != ".safetensors":
            assert ours == theirs, file.name
            continue
        infos = read_safetensors_header(file)
        assert read_safetensors_header(tmp_path / "out" / file.name) == infos
        start = min(info.begin for info in infos.values())
        assert ours[:start] == theirs[:start]
        for name, info in infos.items():
            same = ours[info.begin : info.end] == theirs[info.begin : info.end]
            assert same == (name not in changed), name
    assert {p.name for p in (tmp_path / "out").iterdir()} == {p.name for p in base.iterdir()} | {
        "manifest.json"
    }


def test_the_manifest_names_adapter_and_base_and_what_was_written(plain: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", plain)
    events = fuse_quietly(adapter, plain, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest.stage == "fuse"
    assert {name: item.path for name, item in manifest.inputs.items()} == {
        "adapter": str(adapter),
        "base": str(plain),
    }
    assert folder_digest(manifest.outputs) == describe_input(tmp_path / "out").sha256
    assert manifest.metrics["modules"] == 14
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total
    assert isinstance(events[-1], Finished)


def test_merged_and_adapter_agree_in_logits_and_the_folder_loads_alone(base: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", base)
    fuse_quietly(adapter, base, tmp_path / "out", verify=True)
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest.metrics["parity_max_logit_difference_fp32"] < 1e-3
    assert manifest.metrics["parity_adapter_effect_lost"] < 0.1


def test_peft_merges_to_the_same_weights(plain: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = write_random_adapter(tmp_path / "adapter", plain)
    fuse_quietly(adapter, plain, tmp_path / "out")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(plain), adapter)
    theirs = model.merge_and_unload().state_dict()
    for name, tensor in load_torch(tmp_path / "out").items():
        assert float((tensor - theirs[name]).abs().max()) < 1e-6, name


def test_a_merge_that_lost_the_adapter_is_caught(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import web4mlx.fuse.merge as merge

    adapter = write_random_adapter(tmp_path / "adapter", plain)
    whole = merge.write_merged
    monkeypatch.setattr(merge, "write_merged", lambda files, deltas, *rest: whole(files, {}, *rest))
    with pytest.raises(CheckFailed, match="disagree"):
        fuse_quietly(adapter, plain, tmp_path / "out", verify=True)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    "parity",
    [Parity(2e-3, 0.0, 0.0, 1.0), Parity(None, 0.0, 0.6, 1.0), Parity(1e-5, 0.0, 0.0, 0.8),
     Parity(float("nan"), 0.0, 0.0, 1.0)],
)  # fmt: skip
def test_each_parity_bound_blocks(parity: Parity) -> None:
    with pytest.raises(CheckFailed):
        parity.check(Path("merged"))


def test_a_parity_within_bounds_passes() -> None:
    Parity(1e-5, 0.01, 0.01, 1.0).check(Path("merged"))


@pytest.mark.parametrize("key", ["quantization", "quantization_config"])
def test_a_quantized_base_is_refused_with_the_reason(plain: Path, tmp_path: Path, key: str) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", plain)
    config = json.loads((plain / "config.json").read_text())
    write_json(plain / "config.json", config | {key: {"bits": 4}})
    with pytest.raises(UsageError, match="quantized.*erase"):
        fuse_quietly(adapter, plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_packed_weights_are_refused_without_a_word_in_the_config(tmp_path: Path) -> None:
    base = write_micro_llama(tmp_path / "base")
    adapter = write_random_adapter(tmp_path / "adapter", base)
    shapes = {name: info.shape for name, info in read_safetensors_header(base / "model.safetensors").items()}
    write_weights(base, shapes | {"model.layers.0.mlp.up_proj.scales": (8,)}, dtype="F16")
    with pytest.raises(UsageError, match="up_proj.scales"):
        fuse_quietly(adapter, base, tmp_path / "out")


def damage_truncated(base: Path) -> None:
    shard = base / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])


def damage_missing_shard(base: Path) -> None:
    (base / "model-00002-of-00003.safetensors").unlink()


def damage_missing_tensor(base: Path) -> None:
    index = json.loads((base / INDEX).read_text())
    index["weight_map"]["model.layers.9.mlp.up_proj.weight"] = "model-00001-of-00003.safetensors"
    write_json(base / INDEX, index)


@pytest.mark.parametrize("damage", [damage_truncated, damage_missing_shard, damage_missing_tensor])
def test_a_damaged_base_is_refused_before_anything_is_written(
    plain: Path, tmp_path: Path, damage: Any
) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", plain)
    damage(plain)
    with pytest.raises(MissingPrerequisite):
        fuse_quietly(adapter, plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_a_deeper_model_is_refused(plain: Path, tmp_path: Path) -> None:
    deeper = write_micro_llama(tmp_path / "deeper", layers=3)
    adapter = write_random_adapter(tmp_path / "adapter", deeper)
    with pytest.raises(UsageError, match="no tensor model.layers.2"):
        fuse_quietly(adapter, plain, tmp_path / "out")


def test_an_adapter_of_another_width_is_refused(plain: Path, tmp_path: Path) -> None:
    wider = write_micro_llama(tmp_path / "wider", hidden=96)
    adapter = write_random_adapter(tmp_path / "adapter", wider)
    with pytest.raises(UsageError, match="do not fit"):
        fuse_quietly(adapter, plain, tmp_path / "out")


def test_a_tensor_of_the_adapter_that_is_not_used_is_refused(plain: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    adapter = write_random_adapter(tmp_path / "adapter", plain)
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file) | {"base_model.model.lm_head.weight": np.zeros((4, 4), np.float16)}
    save_file(tensors, file)
    with pytest.raises(Web4Error, match="adapter_model.safetensors"):
        fuse_quietly(adapter, plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_base_is_refused(plain: Path, tmp_path: Path) -> None:
    from web4mlx.artifacts import Input, new_manifest, write_manifest

    adapter = write_random_adapter(tmp_path / "adapter", plain)
    other = {"base": Input(path="elsewhere", sha256="0" * 64)}
    write_manifest(adapter, new_manifest("train", inputs=other))
    with pytest.raises(UsageError, match="another base"):
        fuse_quietly(adapter, plain, tmp_path / "out")


def test_weights_that_are_not_finite_are_refused(plain: Path, tmp_path: Path) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", plain, strength=float("inf"))
    with pytest.raises(CheckFailed, match="do not fit"):
        fuse_quietly(adapter, plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_refused_before_work(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_random_adapter(tmp_path / "adapter", plain)
    monkeypatch.setattr("web4mlx.machine.disk.free_bytes", lambda path: 1000)
    with pytest.raises(MissingPrerequisite, match="disk"):
        fuse_quietly(adapter, plain, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_big_tensors_are_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    base = write_micro_llama(tmp_path / "base")
    adapter = write_random_adapter(tmp_path / "adapter", base)
    shapes = {name: info.shape for name, info in read_model_files(base).tensors.items()}
    write_weights(base, shapes | {"lm_head.weight": (100_000, 256)}, dtype="F32")
    tracemalloc.start()
    fuse_quietly(adapter, base, tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20 < 100_000 * 256 * 4
