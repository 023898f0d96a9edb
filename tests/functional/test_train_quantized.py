"""A run on a base in 4 bits: verified, and fused onto the base in full precision."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from tests.training_project import write_project
from web4mlx.artifacts import read_manifest
from web4mlx.config import load_config
from web4mlx.events import EventLog, Started
from web4mlx.train import supervise
from web4mlx.train.adapter import read_adapter


def test_an_adapter_trained_on_four_bits_is_fused_onto_the_full_base(in_tmp: Path) -> None:
    from web4mlx.fuse.merge import fuse_adapter
    from web4mlx.verify import verify_run

    run = supervise.new_run(load_config(write_project(in_tmp, base_bits=4)))
    events: list[object] = []
    supervise.supervise(run, events.append)
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.plan["base"] == "4 bits while training; fused and evaluated in full precision"
    manifest = read_manifest(run)
    assert manifest is not None
    assert manifest.config["training"]["base_bits"] == 4
    assert {check.name: check.detail for check in verify_run(run) if check.verdict != "passed"} == {}

    merged = in_tmp / "merged"
    fuse_adapter(run, in_tmp / "base", merged, EventLog(in_tmp / "fuse.jsonl", "fuse", "fuse"))
    before, after = (load_file(folder / "model.safetensors") for folder in (in_tmp / "base", merged))
    adapter = read_adapter(run)
    assert before.keys() == after.keys()
    assert not any(name.endswith((".scales", ".biases")) for name in after)
    for name, value in before.items():
        delta = np.zeros_like(value)
        if name.removesuffix(".weight") in adapter.tensors:
            a, b = adapter.tensors[name.removesuffix(".weight")]
            delta = (b * np.float32(adapter.scale)) @ a
            assert np.abs(delta).max() > 0
        np.testing.assert_allclose(after[name], value + delta, rtol=0, atol=1e-6)
