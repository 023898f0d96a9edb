"""Adapter into base, shard by shard: the delta in float32, added in float32, rounded once.

A merged shard has the base shard's header, byte for byte; tensors without an adapter are copied as bytes.
At any time one adapted tensor is in memory, so that a 15 GB model needs a few hundred megabytes. Weights
that are quantized are refused (see `base.refuse_quantized`), and nothing is ever quantized again here.
"""

import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from web4mlx.artifacts import (
    Input,
    Manifest,
    atomic_folder,
    describe_input,
    explain_os_errors,
    file_digests,
    new_manifest,
    read_manifest,
    sha256_bytes,
    sha256_file,
    sync_file,
    write_manifest,
)
from web4mlx.errors import StageCrashed, UsageError
from web4mlx.events import EventLog, Finished, Metric, Started
from web4mlx.fuse.base import COPIED_FILES, ModelFiles, read_model_files
from web4mlx.fuse.blocks import Delta, merge_rows, row_blocks
from web4mlx.fuse.progress import ByteProgress
from web4mlx.machine.disk import require_free_disk
from web4mlx.models.safetensors_header import TensorInfo, read_safetensors_header
from web4mlx.train.adapter import Adapter, read_adapter

COPY_BYTES = 1 << 20
SPARE_BYTES = 64 << 20


def fuse_adapter(adapter: Path, base: Path, out: Path, log: EventLog, *, verify: bool = True) -> Manifest:
    """Write the merged model.

    Args:
        adapter: The adapter folder (PEFT layout).
        base: The base model's folder; must not be quantized.
        out: The folder to make; an existing one is replaced when all went well.
        log: Progress, parity numbers and the end are written here.
        verify: Compare logits of base + adapter and merged before the folder takes its name.

    Returns:
        The manifest of `out`.

    Raises:
        UsageError: The base is quantized, or the adapter does not belong to it.
        MissingPrerequisite: A file is missing or truncated, or the disk is too small.
        CheckFailed: The merged model does not behave as base + adapter.
    """
    start = time.monotonic()
    files = read_model_files(base)
    loaded = read_adapter(adapter)
    deltas = match_deltas(loaded, adapter, files)
    require_free_disk(out, files.size_bytes + SPARE_BYTES, "the merged model")
    log.write(Started, plan={"base": str(base), "adapter": str(adapter), "modules": len(deltas)})
    timings: dict[str, float] = {}
    metrics: dict[str, Any] = {"modules": len(deltas), "rank": loaded.rank, "scale": loaded.scale}
    with atomic_folder(out) as folder, ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        base_input = pool.submit(describe_input, base)
        write_merged(files, deltas, folder, log)
        inputs = {"adapter": adapter_input(adapter), "base": base_input.result()}
        check_same_base(adapter, inputs["base"])
        timings["merge"] = time.monotonic() - begin
        if verify:
            begin = time.monotonic()
            metrics |= run_parity(files, loaded, deltas, folder, log)
            timings["parity"] = time.monotonic() - begin
        outputs = file_digests(folder)
        manifest = new_manifest("fuse", inputs=inputs, outputs=outputs, metrics=metrics, timings_s=timings)
        write_manifest(folder, manifest)
    log.write(Finished, duration_s=time.monotonic() - start, artifact=str(out), metrics=metrics)
    return manifest


def plan_fuse(adapter: Path, base: Path, out: Path) -> dict[str, Any]:
    """Check adapter, base and disk as `fuse_adapter` does, and say what it would write."""
    files = read_model_files(base)
    deltas = match_deltas(read_adapter(adapter), adapter, files)
    require_free_disk(out, files.size_bytes + SPARE_BYTES, "the merged model")
    return {
        "adapter": str(adapter),
        "base": str(base),
        "merged": str(out),
        "modules": len(deltas),
        "tensors": len(files.tensors),
        "shards": len(files.shards),
        "size_bytes": files.size_bytes,
    }


def adapter_input(adapter: Path) -> Input:
    """The manifest entry of an adapter: its weights and their configuration decide, not its logs."""
    digests = [sha256_file(adapter / name) for name in ("adapter_model.safetensors", "adapter_config.json")]
    return Input(path=str(adapter), sha256=sha256_bytes("\n".join(digests).encode()))


def check_same_base(adapter: Path, base: Input) -> None:
    """Refuse an adapter whose manifest says that it was trained on another base."""
    manifest = read_manifest(adapter)
    trained_on = manifest.inputs.get("base") if manifest else None
    if trained_on is not None and trained_on.sha256 != base.sha256:
        raise UsageError(
            f"{adapter} was trained on another base: {trained_on.path}, not the content of {base.path}",
            "Name the base it was trained on with --base.",
        )


def match_deltas(adapter: Adapter, folder: Path, files: ModelFiles) -> dict[str, Delta]:
    """The change of each base tensor that has an adapter; every tensor of the adapter file must be used.

    Raises:
        UsageError: An adapter tensor has no base tensor of its shape, is not used, or there is none.
    """
    source = folder / "adapter_model.safetensors"
    base = files.tensors
    deltas: dict[str, Delta] = {}
    for module, (a, b) in adapter.tensors.items():
        name = f"{module}.weight"
        if name not in base:
            raise UsageError(f"{source}: {module}: the base {files.folder} has no tensor {name}")
        if (b.shape[0], a.shape[1]) != base[name].shape or a.shape[0] != b.shape[1]:
            raise UsageError(
                f"{source}: {module}: A {a.shape} and B {b.shape} do not fit {name} {base[name].shape}"
            )
        scaled = np.ascontiguousarray(b, np.float32) * np.float32(adapter.scale)
        deltas[name] = Delta(np.ascontiguousarray(a, np.float32), scaled)
    stored = len(read_safetensors_header(source))
    if not deltas or stored != 2 * len(deltas):
        raise UsageError(
            f"{source}: {stored} tensors, but {len(deltas)} modules of two tensors each were attached",
            "The adapter has tensors that are no LoRA A or B of a linear layer.",
        )
    return deltas


def write_merged(files: ModelFiles, deltas: Mapping[str, Delta], folder: Path, log: EventLog) -> None:
    """Write all files of the merged model into `folder`."""
    for name in COPIED_FILES:
        if (files.folder / name).is_file():
            shutil.copyfile(files.folder / name, folder / name)
    progress = ByteProgress(log, files.size_bytes, "merge")
    synced: list[Future[None]] = []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool, ThreadPoolExecutor(1) as disk:
        for shard, tensors in files.shards.items():
            with explain_os_errors(folder / shard):
                write_shard(files.folder / shard, folder / shard, tensors, deltas, (pool, progress))
            synced.append(disk.submit(sync_file, folder / shard))
    with explain_os_errors(folder):
        for future in synced:
            future.result()


def write_shard(
    source_path: Path,
    target_path: Path,
    tensors: Mapping[str, TensorInfo],
    deltas: Mapping[str, Delta],
    tools: tuple[ThreadPoolExecutor, ByteProgress],
) -> None:
    """Copy a shard, replacing the tensors that have a delta."""
    pool, progress = tools
    copied = 0
    with source_path.open("rb") as source, target_path.open("wb") as target:
        for name, info in tensors.items():
            if name not in deltas:
                continue
            copy_range(source, target, copied, info.begin, progress)
            blocks = row_blocks(info)
            results = pool.map(lambda rows: merge_rows(source, info, deltas[name], rows), blocks)  # noqa: B023
            for data in results:
                target.write(data)
                progress.advance(len(data))
            copied = info.end
        copy_range(source, target, copied, source_path.stat().st_size, progress)


def copy_range(source: BinaryIO, target: BinaryIO, begin: int, end: int, progress: ByteProgress) -> None:
    """Append bytes `begin` to `end` of a file to another."""
    while begin < end:
        data = os.pread(source.fileno(), min(COPY_BYTES, end - begin), begin)
        if not data:
            raise StageCrashed(f"{source.name}: became shorter while it was read")
        target.write(data)
        progress.advance(len(data))
        begin += len(data)


def run_parity(
    files: ModelFiles, adapter: Adapter, deltas: Mapping[str, Delta], merged: Path, log: EventLog
) -> dict[str, Any]:
    """Compare the logits of base + adapter and merged, write them as metrics, and check the bounds."""
    from web4mlx.fuse.parity import measure_parity

    parity = measure_parity(files, adapter, deltas, merged)
    for name, value in parity.metrics.items():
        log.write(Metric, name=name, value=value)
    parity.check(merged)
    return dict(parity.metrics)
