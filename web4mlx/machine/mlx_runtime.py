"""The one door to MLX: BLAS first, then the device, the precision and the memory limits."""

from functools import cache
from typing import Any, Literal

from web4mlx.errors import MissingPrerequisite
from web4mlx.machine.blas import preload_blas

DeviceChoice = Literal["auto", "gpu", "cpu"]
DtypeChoice = Literal["auto", "float16", "bfloat16", "float32"]


def load_mlx(device: DeviceChoice = "auto") -> Any:
    """Import MLX with a fast BLAS and select the device.

    Args:
        device: `auto` takes the GPU (Metal, CUDA) when there is one.

    Returns:
        The module `mlx.core`.

    Raises:
        MissingPrerequisite: `gpu` is wanted and there is none.
    """
    preload_blas()
    import mlx.core as mx

    kind = gpu_kind() if device != "cpu" else None
    if device == "gpu" and kind is None:
        raise MissingPrerequisite(
            "hardware.device is 'gpu', but MLX finds none here",
            "Set it to 'auto' or 'cpu', or see `web4mlx doctor`.",
        )
    mx.set_default_device(mx.gpu if kind else mx.cpu)
    return mx


@cache
def gpu_kind() -> Literal["metal", "cuda"] | None:
    """The GPU backend MLX can use here, or None."""
    preload_blas()
    import mlx.core as mx

    if mx.metal.is_available():
        return "metal"
    cuda = getattr(mx, "cuda", None)
    if cuda is not None and cuda.is_available():
        return "cuda"
    return None


def choose_dtype(choice: DtypeChoice, chip: str, on_gpu: bool) -> Literal["float16", "bfloat16", "float32"]:
    """The precision of the base's weights.

    M1 and M2 emulate bfloat16, so they take float16; later chips take bfloat16; CPUs multiply float32 far
    faster than either.
    """
    if choice != "auto":
        return choice
    if not on_gpu:
        return "float32"
    return "float16" if any(name in chip for name in ("M1", "M2")) else "bfloat16"


def limit_memory(memory_fraction: float, needed_bytes: int | None = None) -> dict[str, int]:
    """Bound what MLX may wire and cache on Apple silicon; does nothing elsewhere.

    Args:
        memory_fraction: Share of the recommended Metal working set that MLX may use.
        needed_bytes: Predicted need; the wired limit is this plus 4 GB, at most 65 % of the memory.

    Returns:
        The limits that were set, in bytes.
    """
    if gpu_kind() != "metal":
        return {}
    import mlx.core as mx

    return apply_limits(mx, mx.device_info(), memory_fraction, needed_bytes)


def apply_limits(
    mx: Any, info: dict[str, Any], memory_fraction: float, needed_bytes: int | None
) -> dict[str, int]:
    """Compute and set the limits on an `mlx.core`-like object; see `limit_memory`."""
    working_set = int(info["max_recommended_working_set_size"])
    memory = int(working_set * memory_fraction)
    wired = memory if needed_bytes is None else needed_bytes + 4 * 10**9
    wired = min(wired, int(int(info["memory_size"]) * 0.65), working_set)
    cache_limit = max(memory // 8, 10**9)
    mx.set_memory_limit(memory)
    mx.set_wired_limit(wired)
    mx.set_cache_limit(cache_limit)
    return {"memory": memory, "wired": wired, "cache": cache_limit}
