"""The training path gives the gradients of each sample run alone by PyTorch, in float64 and float32."""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_reference import Gradients, TinyShape, load_reference, reference_gradients
from web4mlx.config.schema import PROJECTIONS, LoraConfig
from web4mlx.data.chat import Row
from web4mlx.data.rows import RowSet
from web4mlx.machine.mlx_runtime import load_mlx

mx = load_mlx("cpu")

from mlx_lm.utils import load_model  # noqa: E402

from web4mlx.train import attention, layers, loss, network, packing, recompute  # noqa: E402
from web4mlx.train.batches import Layout, MicroBatch  # noqa: E402
from web4mlx.train.lora import attach_adapters, first_adapters  # noqa: E402
from web4mlx.train.network import OwnLayers  # noqa: E402
from web4mlx.train.recompute import recompute_plan  # noqa: E402
from web4mlx.train.step import step_gradients  # noqa: E402

SHAPES = {
    "llama, tied, 4 heads on 2": TinyShape("llama", 4, 2, tied=True),
    "llama, biases everywhere, 4 heads on 1": TinyShape("llama", 4, 1, tied=False, biases=True),
    "qwen2, 4 heads on 4": TinyShape("qwen2", 4, 4, tied=False),
    "qwen2, tied, 2 heads on 1": TinyShape("qwen2", 2, 1, tied=True),
}
CONTROL = "qwen2, 4 heads on 4"
LIMITS = {mx.float64: 1e-12, mx.float32: 5e-5}
SMALLEST_SCALE = 0.01
RANK, SCALE = 3, 2.0
BATCHINGS = ("packed", "bucketed", "max_length")


@dataclass(frozen=True)
class Case:
    """Samples, how they are laid out, what is recomputed and what is adapted."""

    rows: tuple[Row, ...]
    batching: str = "packed"
    row_tokens: int = 64
    recompute: Any = "selective"
    targets: tuple[Any, ...] = PROJECTIONS
    layers: Any = "all"
    block: int = 8
    chunk: tuple[int, int] = (5, 7)


def make_rows(prefix: int, tails: list[tuple[int, int, float]], seed: int = 0) -> tuple[Row, ...]:
    """Samples that share `prefix` tokens; each tail has a length, a prompt and a share of supervised tokens.

    A tail's last token is supervised; the others behind the prompt are by chance, in several spans.
    """
    generator = np.random.default_rng(seed)
    common = generator.integers(3, 23, prefix).tolist()
    rows = []
    for length, prompt, share in tails:
        tokens = (*common, *generator.integers(3, 23, length).tolist())
        first = min(max(prefix + prompt, 1), len(tokens) - 1)
        chosen = (generator.random(len(tokens) - first - 1) < share).tolist()
        rows.append(Row(tokens, (False,) * first + (*chosen, True)))
    return tuple(rows)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    prefix = draw(st.integers(0, 12))
    tail = st.tuples(st.integers(1 if prefix else 2, 16), st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0]))
    rows = make_rows(prefix, draw(st.lists(tail, min_size=1, max_size=5)), draw(st.integers(0, 99)))
    return Case(
        rows + rows[: draw(st.integers(0, 2))],
        draw(st.sampled_from(BATCHINGS)),
        draw(st.sampled_from([8, 24, 48, 400])),
        draw(st.sampled_from(["none", "selective", "full", 0, 1, 2])),
        draw(st.one_of(st.just(PROJECTIONS), st.sets(st.sampled_from(PROJECTIONS), min_size=1).map(tuple))),
        draw(st.sampled_from(["all", 1, 2])),
        draw(st.sampled_from([3, 128])),
        draw(st.sampled_from([(5, 7), (256, 4096)])),
    )


@dataclass(frozen=True)
class Pair:
    """A model's folder, and the same model in PyTorch."""

    folder: Path
    reference: Any = field(repr=False)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Each shape's model."""
    folders = {name: shape.write(tmp_path_factory.mktemp("model")) for name, shape in SHAPES.items()}
    return {name: Pair(folder, load_reference(folder)) for name, folder in folders.items()}


def own_gradients(folder: Path, case: Case, dtype: Any) -> tuple[float, Gradients, Gradients]:
    """Our loss and gradients, and the adapters they are of."""
    model, _ = load_model(folder)
    model.set_dtype(dtype)
    names = attach_adapters(
        model, LoraConfig(rank=RANK, alpha=6, dropout=0, target_modules=case.targets, layers=case.layers)
    )
    generator = np.random.default_rng(1)
    values = {
        key: generator.normal(0, 0.2, value.shape).astype(np.float32)
        for key, value in first_adapters(model, names, RANK, 0).items()
    }
    adapters = {key: mx.array(value).astype(dtype) for key, value in values.items()}
    own = OwnLayers(model, SCALE, 0.0, dtype, recompute_plan(case.recompute, len(model.layers)))
    batches = Layout(case.batching, case.row_tokens, 40, 2)(RowSet(case.rows), range(len(case.rows)))
    mean, gradients = step_gradients(own, adapters, batches, 0, 1.0)
    assert {value.dtype for value in gradients.values()} == {dtype}
    exact = {key: value.astype(np.float64) for key, value in values.items()}
    return mean.item(), {key: np.array(value) for key, value in gradients.items()}, exact


def errors(own: Gradients, right: Gradients) -> float:
    """Largest difference of any matrix over the largest value of that matrix.

    A gradient that is small only because large terms cancel (one of queries that see a single key is zero)
    has the rounding error of the terms, so that no matrix counts as smaller than a hundredth of the largest.
    """
    assert own.keys() == right.keys()
    largest = max(0.1, *(np.abs(matrix).max() for matrix in right.values()))
    return max(
        float(np.abs(own[key] - right[key]).max() / max(np.abs(right[key]).max(), SMALLEST_SCALE * largest))
        for key in right
    )


def compare(pair: Pair, case: Case, dtype: Any) -> float:
    """The error of our gradients, and of the loss, with small blocks and chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "BLOCK_QUERIES", case.block)
        patch.setattr(loss, "CHUNK", {"cpu": case.chunk, "gpu": case.chunk})
        mean, own, adapters = own_gradients(pair.folder, case, dtype)
    right_mean, right = reference_gradients(pair.reference, adapters, SCALE, case.rows)
    return max(abs(mean / right_mean - 1), errors(own, right))


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=12)
@given(case=cases())
def test_float64_gradients_are_those_of_samples_run_alone(
    name: str, case: Case, pairs: dict[str, Pair]
) -> None:
    assert compare(pairs[name], case, mx.float64) < LIMITS[mx.float64]


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=6, derandomize=True)
@given(case=cases())
def test_float32_gradients_are_those_of_samples_run_alone(
    name: str, case: Case, pairs: dict[str, Pair]
) -> None:
    assert compare(pairs[name], case, mx.float32) < LIMITS[mx.float32]


@pytest.mark.parametrize("dtype", LIMITS, ids=["float64", "float32"])
@pytest.mark.parametrize("recompute", ["none", "selective", "full", 1])
def test_segments_and_prefixes_longer_than_a_block_of_queries(
    dtype: Any, recompute: Any, pairs: dict[str, Pair]
) -> None:
    rows = make_rows(150, [(300, 9, 0.9), (1, 0, 1.0), (130, 100, 0.5)])
    case = Case(rows, row_tokens=2048, recompute=recompute, block=128, chunk=(256, 4096))
    assert compare(pairs[CONTROL], case, dtype) < LIMITS[dtype]


@pytest.mark.parametrize("recompute", ["none", "selective", "full", 1])
def test_layers_and_products_without_adapters_are_recomputed_too(
    recompute: Any, pairs: dict[str, Pair]
) -> None:
    rows = make_rows(4, [(9, 3, 1.0), (6, 1, 0.5)])
    case = Case(rows, recompute=recompute, targets=("q_proj", "down_proj"), layers=1)
    assert compare(pairs[CONTROL], case, mx.float64) < LIMITS[mx.float64]


def mutant(function: Callable[..., Any], right: str, wrong: str) -> Any:
    """The function with a piece of its source replaced."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"{function.__name__} no longer says {right!r}"
    source = source.replace(right, wrong).replace("@property\n", "")
    scope = dict(function.__globals__)
    exec(compile(source, f"<wrong {function.__name__}>", "exec"), scope)
    return scope[function.__name__]


def wrong_positions(patch: pytest.MonkeyPatch) -> None:
    """Positions go on counting behind a segment."""
    right = "np.arange(self.prefix, self.prefix + end - start)"
    wrong = mutant(vars(MicroBatch)["token_positions"].fget, right, "np.arange(start, end)")
    patch.setattr(MicroBatch, "token_positions", property(wrong))


def wrong_attention(patch: pytest.MonkeyPatch) -> None:
    """Tokens attend to all earlier tokens of the row."""
    patch.setattr(network, "blocks_of", mutant(attention.blocks_of, "start, shared)", "0, 0)"))


def wrong_targets(patch: pytest.MonkeyPatch) -> None:
    """A position is to predict itself."""
    patch.setattr(
        packing, "make_row", mutant(packing.make_row, "tokens[1:][supervised]", "tokens[supervised]")
    )


def wrong_prefix(patch: pytest.MonkeyPatch) -> None:
    """The prefix takes in the first token that differs."""
    right = "limit = int(differs.argmax())"
    patch.setattr(packing, "shared_prefix", mutant(packing.shared_prefix, right, f"{right} + 1"))


def wrong_prefix_count(patch: pytest.MonkeyPatch) -> None:
    """The prefix gets the first segment's gradient twice."""
    right = "shared if self._prefix is None"
    wrong = mutant(attention._SegmentSums.add, right, "shared + shared if self._prefix is None")
    patch.setattr(attention._SegmentSums, "add", wrong)


def wrong_causality(patch: pytest.MonkeyPatch) -> None:
    """A token attends to the next one."""
    attention._causal_mask.cache_clear()
    plain = attention._causal_mask.__wrapped__
    patch.setattr(attention, "_causal_mask", mutant(plain, "visible)[:, None]", "visible)[:, None] + 1"))


def wrong_region(patch: pytest.MonkeyPatch) -> None:
    """A recomputed region is computed again from other inputs."""
    right = "mx.vjp(flat, late, list(cotangents))"
    changed = "mx.vjp(flat, [late[0] * 1.01, *late[1:]], list(cotangents))"
    patch.setattr(layers, "recomputed", mutant(recompute.recomputed, right, changed))


MUTATIONS = (
    wrong_positions, wrong_attention, wrong_targets, wrong_prefix, wrong_prefix_count, wrong_causality,
    wrong_region,
)  # fmt: skip


@pytest.mark.parametrize("break_it", MUTATIONS, ids=lambda function: function.__name__)
def test_a_wrong_training_path_is_noticed(
    break_it: Callable[[pytest.MonkeyPatch], None],
    pairs: dict[str, Pair],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case(make_rows(5, [(9, 3, 1.0), (12, 2, 0.5), (4, 1, 1.0)]))
    assert compare(pairs[CONTROL], case, mx.float64) < LIMITS[mx.float64]
    break_it(monkeypatch)
    assert compare(pairs[CONTROL], case, mx.float64) > 1e-4


def test_the_reference_is_the_library_s_model(pairs: dict[str, Pair]) -> None:
    """Replacing norms and angles changes nothing that float32 could see."""
    import torch
    from transformers import AutoModelForCausalLM

    tokens = torch.arange(3, 23)[None]
    for pair in pairs.values():
        stock = AutoModelForCausalLM.from_pretrained(pair.folder, dtype=torch.float32)(tokens).logits
        exact = pair.reference(tokens).logits
        assert ((stock - exact).abs().max() / exact.abs().max()).item() < 1e-5


def test_equal_samples_weigh_as_often_as_they_occur(pairs: dict[str, Pair]) -> None:
    rows = make_rows(4, [(9, 3, 1.0), (6, 1, 0.5)])
    case = Case((rows[0], rows[0], rows[1], rows[0]))
    assert compare(pairs[CONTROL], case, mx.float64) < LIMITS[mx.float64]
    once = replace(case, rows=rows)
    left, right = (own_gradients(pairs[CONTROL].folder, some, mx.float64)[1] for some in (case, once))
    assert errors(left, right) > 1e-3
