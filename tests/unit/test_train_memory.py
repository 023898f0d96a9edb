"""Memory of the training paths: what recomputation and the planner promise, measured. Never wall time."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from web4mlx.machine.mlx_runtime import load_mlx

mx = load_mlx("cpu")

from mlx_lm.models import llama  # noqa: E402

from web4mlx.config.schema import LoraConfig  # noqa: E402
from web4mlx.data.chat import Row  # noqa: E402
from web4mlx.data.rows import RowSet  # noqa: E402
from web4mlx.plan.memory import Settings  # noqa: E402
from web4mlx.plan.shape import read_shape  # noqa: E402
from web4mlx.plan.strategy import Planner  # noqa: E402
from web4mlx.plan.work import work_of  # noqa: E402
from web4mlx.train import attention  # noqa: E402
from web4mlx.train.lora import attach_adapters, first_adapters, place_adapters  # noqa: E402
from web4mlx.train.loss import plain_loss_sum  # noqa: E402
from web4mlx.train.network import OwnLayers  # noqa: E402
from web4mlx.train.packing import pack  # noqa: E402
from web4mlx.train.recompute import recompute_plan  # noqa: E402
from web4mlx.train.step import step_gradients  # noqa: E402

LENGTH, LAYERS, SUPERVISED = 512, 8, 313
LORA = LoraConfig(rank=16, alpha=32, dropout=0.0)
WAYS: tuple[Any, ...] = ("none", "selective", 4, "full")
SMOLLM2 = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": LAYERS,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0, "tie_word_embeddings": True,
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Eight layers of the embedded model's shape, and one row of 512 tokens."""

    folder: Path
    model: Any
    adapters: Any
    batches: Any


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("base")
    (folder / "config.json").write_text(json.dumps(SMOLLM2), "utf-8")
    model = llama.Model(llama.ModelArgs.from_dict(SMOLLM2))
    adapters = first_adapters(model, attach_adapters(model, LORA), LORA.rank, 0)
    tokens = tuple(np.random.default_rng(0).integers(3, 390, LENGTH + 1).tolist())
    mask = (False,) * (LENGTH + 1 - SUPERVISED) + (True,) * SUPERVISED
    mx.eval(model.parameters(), adapters)
    return Setting(folder, model, adapters, pack(RowSet([Row(tokens, mask, "a")]), [0], LENGTH))


@pytest.fixture(scope="module")
def ours(setting: Setting) -> dict[Any, int]:
    """Activation bytes of each way."""

    def gradients(way: Any) -> Any:
        network = OwnLayers(setting.model, LORA.scale, 0.0, mx.float32, recompute_plan(way, LAYERS))
        return step_gradients(network, setting.adapters, setting.batches, 1, 1.0)

    return {way: activation_bytes(partial(gradients, way)) for way in WAYS}


def activation_bytes(run: Any) -> int:
    """Peak beyond what was there before."""
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    mx.eval(run())
    return int(mx.get_peak_memory() - before)


def theirs(setting: Setting, checkpointed: bool) -> int:
    """mlx-lm's layers and all logits, with its own checkpointing on request."""
    from mlx_lm.tuner.trainer import grad_checkpoint

    layer_class = type(setting.model.layers[0])
    original = layer_class.__call__
    if checkpointed:
        grad_checkpoint(setting.model.layers[0])

    def loss(weights: Any) -> Any:
        place_adapters(setting.model, weights, mx.float32)
        return plain_loss_sum(setting.model, setting.batches[0])

    try:
        return activation_bytes(lambda: mx.value_and_grad(loss)(setting.adapters))
    finally:
        layer_class.__call__ = original


def test_selective_recomputation_needs_far_less_than_mlx_lm(setting: Setting, ours: Any) -> None:
    assert ours["selective"] <= 0.6 * theirs(setting, checkpointed=False)


def test_full_recomputation_needs_far_less_than_checkpointed_mlx_lm(setting: Setting, ours: Any) -> None:
    assert ours["full"] <= 0.45 * theirs(setting, checkpointed=True)


def test_each_way_is_leaner_than_the_one_before(ours: Any) -> None:
    assert list(ours.values()) == sorted(ours.values(), reverse=True)


@pytest.mark.parametrize("way", WAYS)
def test_predicted_peak_is_near_the_measured_one(setting: Setting, ours: Any, way: Any) -> None:
    shape = read_shape(setting.folder, LORA)
    planner = Planner(shape, Settings(4, shape.parameters * 4, False, False))
    memory = planner.memory(work_of(setting.batches[0]), way)
    there_before = memory.weights + shape.adapter * 4
    predicted = memory.peak - memory.optimizer
    assert predicted == pytest.approx(there_before + ours[way], rel=0.15)


def test_the_7b_at_2048_tokens_is_planned_below_23_gb(tmp_path: Path) -> None:
    config = {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    shape = read_shape(tmp_path, LoraConfig())
    assert shape.adapter == 40_370_176
    planner = Planner(shape, Settings(2, shape.parameters * 2, True, True))
    row = work_of(pack(RowSet([Row((5,) * 2049, (False,) * 1000 + (True,) * 1049, "a")]), [0], 2048)[0])
    choice = planner.choose(row, 23e9)
    assert planner.peak(row, choice) <= 23e9
    assert planner.peak(row, "none") > 23e9
    leaner = planner.choices()[planner.choices().index(choice) - 1]
    assert planner.peak(row, leaner) > 23e9


def test_masks_of_ever_new_lengths_do_not_pile_up() -> None:
    """A long run sees thousands of lengths; what is kept for them must not grow with their number."""

    def kept_bytes(lengths: range) -> int:
        before = mx.get_active_memory()
        for visible in lengths:
            mx.eval(attention._causal_mask(attention.BLOCK_QUERIES, visible))
        return int(mx.get_active_memory() - before)

    assert kept_bytes(range(2048 - attention.KEPT_MASKS, 2048)) <= 70e6
    assert kept_bytes(range(1024, 1536)) <= 0
