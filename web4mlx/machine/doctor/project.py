"""Judging what a configuration needs: base model, data files, Modelfile, folders, disk."""

import os
from collections.abc import Iterator
from pathlib import Path

from web4mlx.config import RunConfig
from web4mlx.config.load import why_not_writable
from web4mlx.errors import Web4Error
from web4mlx.machine.disk import free_bytes
from web4mlx.machine.doctor.item import Item, amount, from_error, missing, ok, warning
from web4mlx.models.base import find_base, locate_base

# Sizes of the bases that can be downloaded, for forecasts before they are there: 16-bit weights.
KNOWN_BYTES = {"smollm2-135m-instruct": 269_000_000, "qwen2.5-coder-7b-instruct": 15_231_000_000}
# Merged model, float16 GGUF, and base and trained model in the largest quantized type, in sizes of the base.
OUTPUT_SHARE = 1 + 1 + 2 * 0.55
CHECKPOINT_BYTES = 10**9


def check_project(config: RunConfig, base_bytes: int | None) -> Iterator[Item]:
    """Look at everything the configuration names."""
    yield check_base(config)
    yield check_data_files(config)
    yield check_modelfile(config.modelfile)
    yield from (check_folder(name, folder) for name, folder in folders(config).items())
    yield check_disk(config, base_bytes)


def folders(config: RunConfig) -> dict[str, Path]:
    """The folders a run writes to, by their key."""
    return {"outputs": config.outputs, "model folder": config.model.folder}


def weights_bytes(config: RunConfig) -> int | None:
    """Size of the base's weights: of the files that are there, else as known; None when neither."""
    try:
        entry, folder = locate_base(config.model)
    except Web4Error:
        return None
    present = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    known = KNOWN_BYTES.get(entry.name, 0) if entry else 0
    return max(present, known) or None


def check_base(config: RunConfig) -> Item:
    """Whether the base is there, whole and of the wanted revision."""
    name = "base model"
    try:
        folder = find_base(config.model)
    except Web4Error as error:
        return from_error(name, error)
    return ok(name, f"{config.model.base} in {folder}, {amount(weights_bytes(config) or 0)}")


def check_data_files(config: RunConfig) -> Item:
    """Whether the sample files are there and not empty; their contents are `data check`'s business."""
    name = "data files"
    files = [*config.data.train, config.data.eval]
    absent = [file for file in files if not file.is_file()]
    empty = [file for file in files if file.is_file() and not file.stat().st_size]
    scale = config.data.sample_scale
    folder = config.data.eval.parent
    if len(absent) == len(files) and scale:
        fix = f"`web4mlx run` generates them, or `web4mlx data sample --scale {scale} --folder {folder}`."
        return warning(name, f"none of {len(files)} in {folder} yet", fix)
    if (chosen := config.data.selection) and not chosen.is_file():
        absent.append(chosen)
    if absent or empty:
        faults = [f"{file} is missing" for file in absent] + [f"{file} is empty" for file in empty]
        return missing(name, "; ".join(faults), "Put the files there, or correct [data] in the config.")
    sizes = [(file.stem, file.stat().st_size) for file in files]
    each = ", ".join(f"{stem} {amount(size)}" for stem, size in sizes)
    return ok(name, f"{len(files)} files, {amount(sum(size for _, size in sizes))}: {each}")


def check_modelfile(path: Path) -> Item:
    """Whether the Modelfile parses, and what it could do better."""
    from web4mlx.modelfile import advise, read_modelfile

    try:
        modelfile = read_modelfile(path)
    except Web4Error as error:
        item = from_error("Modelfile", error)
        otherwise = "Correct it; or start in the project's folder, since the config's paths are relative."
        return item if item.fix else item.model_copy(update={"fix": otherwise})
    advice = [problem.message for problem in advise(modelfile)]
    if advice:
        return warning("Modelfile", f"{path}: {'; '.join(advice)}", f"`web4mlx modelfile check {path}`")
    return ok("Modelfile", f"{path}, {len(modelfile.stop)} stops, context {modelfile.context}")


def check_folder(name: str, folder: Path) -> Item:
    """Whether a folder can be written or created."""
    reason = why_not_writable(folder)
    if reason:
        return missing(name, f"{folder}: {reason}", "Correct its permissions or name another folder.")
    return ok(name, f"{folder}, writable")


def check_disk(config: RunConfig, base_bytes: int | None) -> Item:
    """Free space against what the stages will write."""
    name = "disk"
    needs = disk_needs(config, base_bytes)
    folder_of = folders(config)
    free = {key: free_bytes(folder.absolute()) for key, folder in folder_of.items()}
    if _device(folder_of["outputs"]) == _device(folder_of["model folder"]):
        needs = {"outputs": sum(needs.values())}
    short = {key: need for key, need in needs.items() if need > free[key]}
    if short:
        lines = (f"{amount(free[key])} free at {folder_of[key]}, the run needs about {amount(need)}"
                 for key, need in short.items())  # fmt: skip
        return missing(name, "; ".join(lines), "Free some space or choose other folders in the config.")
    lines = (f"{amount(free[key])} free at {folder_of[key]} (needs about {amount(need)})"
             for key, need in needs.items())  # fmt: skip
    return ok(name, ", ".join(lines))


def disk_needs(config: RunConfig, base_bytes: int | None) -> dict[str, int]:
    """Bytes that a run still writes to each folder, as if nothing of it were finished but the base."""
    size = base_bytes or 0
    try:
        find_base(config.model)
        download = 0
    except Web4Error:
        download = size
    return {"outputs": int(size * OUTPUT_SHARE) + CHECKPOINT_BYTES, "model folder": download}


def _device(folder: Path) -> int:
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return os.stat(nearest).st_dev
