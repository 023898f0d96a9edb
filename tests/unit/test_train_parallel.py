"""Sharing a step out over ranks, sums and copies between them, and what they must agree on."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training_project import write_project
from tests.two_ranks import start_ranks
from web4mlx.config import load_config
from web4mlx.errors import UsageError
from web4mlx.events import EventLog
from web4mlx.machine.mlx_runtime import load_mlx
from web4mlx.train.deaths import explain
from web4mlx.train.launched import Place, configuration_file, launched_place, refuse_ranks

mx = load_mlx("cpu")

from web4mlx.train import agreement, loop  # noqa: E402
from web4mlx.train.parallel import Ranks, join_ranks  # noqa: E402
from web4mlx.train.step import step_gradients  # noqa: E402


class FakeRanks(Ranks):
    """One of several ranks that cannot talk to the others; `heard` is what they say."""

    def __init__(self, rank: int, size: int, heard: list[bytes] | None = None) -> None:
        super().__init__()
        self.rank, self.size, self.heard = rank, size, heard or []

    def exchange(self, data: bytes) -> list[bytes]:
        return self.heard


@given(
    lengths=st.lists(st.integers(2, 3000), min_size=1, max_size=40), size=st.integers(1, 5), data=st.data()
)
def test_shares_hold_each_sample_once_and_about_as_many_tokens(
    lengths: list[int], size: int, data: st.DataObject
) -> None:
    samples = data.draw(st.permutations(range(len(lengths))))
    shares = [FakeRanks(rank, size).share(samples, np.array(lengths)) for rank in range(size)]
    assert sorted(index for share in shares for index in share) == sorted(samples)
    loads = [sum(lengths[index] for index in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    if size == 1:
        assert shares == [samples]


def trainer_of(folder: Path, ranks: Ranks) -> loop.Trainer:
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer
    from web4mlx.train.prepare import load_training_data, load_training_model

    config = load_config(folder / "config.toml")
    base = find_base(config.model)
    data = load_training_data(config, ChatTokenizer(base))
    log = EventLog(None, "run", "train")
    return loop.Trainer(config, load_training_model(config, base), data, folder, log, ranks)


@pytest.fixture
def project(in_tmp: Path) -> Path:
    with write_project(in_tmp).open("a") as file:
        file.write("[lora]\ndropout = 0.0\n")
    return in_tmp


@pytest.mark.parametrize("size", [2, 3, 40])
def test_the_shares_gradients_sum_to_the_steps(project: Path, size: int) -> None:
    parts = []
    for ranks in (Ranks(), *(FakeRanks(rank, size) for rank in range(size))):
        trainer = trainer_of(project, ranks)
        _, adapters = trainer.start("")
        adapters = {key: value + 0.01 for key, value in adapters.items()}
        parts.append(trainer.own_gradients(next(trainer.sampler.steps()), adapters))
    (loss, whole), *shares = parts
    assert float(sum(share[0] for share in shares)) == pytest.approx(float(loss), rel=1e-6)
    for key, gradient in whole.items():
        summed = np.array(sum(share[1][key] for share in shares))
        assert np.abs(summed - np.array(gradient)).max() < 5e-6 * np.abs(np.array(gradient)).max()


def test_no_two_ranks_draw_the_same_dropout(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def noting(network: Any, adapters: Any, batches: list[Any], seed: int, scale: float) -> object:
        seeds.extend(range(seed, seed + len(batches)))
        return step_gradients(network, adapters, batches, seed, scale)

    monkeypatch.setattr(loop, "step_gradients", noting)
    for rank in range(3):
        trainer = trainer_of(project, FakeRanks(rank, 3))
        _, adapters = trainer.start("")
        for plan in list(trainer.sampler.steps())[:2]:
            trainer.own_gradients(plan, adapters)
    assert len(seeds) >= 6
    assert len(set(seeds)) == len(seeds)


def test_alone_nothing_distributed_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("init", "all_sum", "all_gather"):
        monkeypatch.delattr(mx.distributed, name)
    ranks = join_ranks()
    gradients = {"a": mx.ones(3)}
    assert ranks.is_writer
    assert ranks.sum_gradients(mx.array(1.0), gradients)[1] is gradients
    assert ranks.sum(1.5, 2) == [1.5, 2]
    assert not ranks.any(False)
    assert ranks.exchange(b"x") == [b"x"]
    assert ranks.broadcast(b"y") == b"y"
    assert agreement.same_everywhere(ranks, gradients, None, print) is gradients
    assert agreement.holds_lease(ranks)


TALK = """
from web4mlx.machine.mlx_runtime import load_mlx
mx = load_mlx("cpu")
import mlx.optimizers as optim
from pathlib import Path
from web4mlx.errors import StageCrashed, UsageError
from web4mlx.train import agreement, checkpoint
from web4mlx.train.parallel import join_ranks
ranks = join_ranks()
me = ranks.rank
assert ranks.size == 2
assert ranks.sum(1 + me, 0.1) == [3, 0.2]
assert ranks.any(me == 1) and not ranks.any(False)
assert ranks.exchange(b"abc"[: 1 + 2 * me]) == [b"a", b"abc"]
assert ranks.exchange(b"") == [b"", b""]
big = bytes(range(256)) * 3001
assert ranks.broadcast(big if me == 0 else b"mine") == big
assert ranks.broadcast(b"") == b""
mine = {"b": mx.full((2, 3), me + 1.0), "a": mx.array([1.0, 2.0]) * (me + 1)}
loss, total = ranks.sum_gradients(mx.array(0.5 + me), mine)
assert loss.item() == 2 and total["a"].tolist() == [3, 6] and total["b"].tolist() == [[3] * 3] * 2
assert agreement.holds_lease(ranks) == (me == 0)

def optimizer_after(adapters):
    optimizer = optim.AdamW(learning_rate=0.1)
    optimizer.init(adapters)
    gradients = {key: mx.ones_like(value) for key, value in adapters.items()}
    return optimizer, optimizer.apply_gradients(gradients, adapters)

warnings = []
warn = lambda code, message: warnings.append(code)
optimizer, adapters = optimizer_after({"m.lora_a": mx.array([1.0, 2.0])})
assert agreement.same_everywhere(ranks, adapters, optimizer, warn) is adapters
drifted = {"m.lora_a": adapters["m.lora_a"] * (1 + 1e-6 * me)}
taken = agreement.same_everywhere(ranks, drifted, optimizer, warn)
assert warnings == ["rounding"] and taken["m.lora_a"].tolist() == adapters["m.lora_a"].tolist()
assert optimizer.state["m.lora_a"]["m"].tolist() != [0, 0] and optimizer.state["step"].item() == 1
assert optimizer.apply_gradients({"m.lora_a": mx.ones(2)}, taken)["m.lora_a"].shape == (2,)
try:
    agreement.same_everywhere(ranks, {"m.lora_a": adapters["m.lora_a"] * (1 + me)}, optimizer, warn)
    raise AssertionError("different adapters were accepted")
except StageCrashed as error:
    assert "more than rounding" in error.message

run = Path(f"run{me}")
agreement.share_checkpoint(ranks, run)
assert not run.exists()
state = checkpoint.TrainState(fingerprint="f", step=7)
if me == 0:
    checkpoint.save_checkpoint(run, state, adapters, optimizer.state)
agreement.share_checkpoint(ranks, run)
(folder,) = checkpoint.list_checkpoints(run)
got, restored, moments = checkpoint.load_checkpoint(folder, "f")
assert got == state and moments["step"].item() == 2
assert restored["m.lora_a"].tolist() == adapters["m.lora_a"].tolist()
try:
    agreement.require_same_run(ranks, {"data": "x", "settings": str(me)})
    raise AssertionError("different runs were accepted")
except UsageError as error:
    assert "settings differ" in error.message and "data" not in error.message, error
"""


def ends_of(ranks: "list[subprocess.Popen[str]]") -> list[tuple[int, str]]:
    texts = [rank.communicate(timeout=120)[0] for rank in ranks]
    return [(rank.returncode, text) for rank, text in zip(ranks, texts, strict=True)]


def test_two_ranks_sum_copy_and_agree(tmp_path: Path) -> None:
    for code, text in ends_of(start_ranks(TALK, tmp_path)):
        assert code == 0, text


FREEZE = """
import os, signal
from web4mlx.machine.mlx_runtime import load_mlx
load_mlx("cpu")
from web4mlx.train.parallel import join_ranks
ranks = join_ranks()
ranks.sum(1)
if ranks.rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
ranks.sum(1)
"""


def test_a_frozen_peer_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB4MLX_RANK_WAIT_S", "5")
    ranks = start_ranks(FREEZE, tmp_path)
    assert ranks[0].wait(120) == -signal.SIGALRM
    ranks[1].kill()
    ends_of(ranks)
    explained = explain(-signal.SIGALRM, "", tmp_path)
    assert "another rank did not answer" in explained.message
    assert "--resume" in explained.hint


def test_ranks_that_train_the_same_pass() -> None:
    parts = {"data": "x", "settings": "y"}
    same = json.dumps(["host", parts]).encode()
    agreement.require_same_run(FakeRanks(0, 2, [same, same]), parts)
    missing = json.dumps(["other", {"data": "x"}]).encode()
    with pytest.raises(UsageError, match=r"rank 1 \(other\) and rank 0 \(host\).*: settings differ"):
        agreement.require_same_run(FakeRanks(0, 2, [same, missing]), parts)


def test_the_place_is_read_from_what_the_launcher_sets(tmp_path: Path) -> None:
    hosts, one = tmp_path / "hosts.json", tmp_path / "one.json"
    hosts.write_text('[["127.0.0.1:1"], ["127.0.0.1:2"], ["127.0.0.1:3"]]')
    one.write_text("\n")
    assert launched_place({}) == Place(0, 1)
    assert launched_place({"MLX_RANK": "2", "MLX_HOSTFILE": str(hosts)}) == Place(2, 3, "ring")
    assert launched_place({"MLX_RANK": "0", "MLX_IBV_DEVICES": str(hosts)}) == Place(0, 3, "jaccl")
    assert launched_place({"MLX_RANK": "0", "MLX_HOSTFILE": str(one)}).size == 1
    for wrong in (
        {"MLX_RANK": "0"},
        {"MLX_RANK": "x", "MLX_HOSTFILE": str(hosts)},
        {"MLX_RANK": "3", "MLX_HOSTFILE": str(hosts)},
        {"MLX_RANK": "0", "MLX_HOSTFILE": str(tmp_path / "absent")},
    ):
        with pytest.raises(UsageError):
            launched_place(wrong)


def test_another_machine_resumes_with_its_own_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "hosts.json").write_text("[[], []]")
    monkeypatch.setenv("MLX_HOSTFILE", "hosts.json")
    for rank, expected in (("0", Path("there/config.toml")), ("1", Path("config.toml"))):
        monkeypatch.setenv("MLX_RANK", rank)
        assert configuration_file("config.toml", "there") == expected
        assert configuration_file("config.toml", "auto") == Path("config.toml")
        with pytest.raises(UsageError, match="one process only"):
            refuse_ranks("run")
