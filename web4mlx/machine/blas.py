"""A fast BLAS for MLX on a Linux CPU.

MLX's Linux CPU wheel links the reference BLAS, which multiplies matrices 50 times slower than the machine
can. Loading OpenBLAS with global symbols before the first `import mlx.core` makes the same wheel use it.
macOS needs nothing of this: MLX uses Accelerate and Metal there.
"""

import ctypes
import ctypes.util
import os
import platform
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from web4mlx.artifacts import atomic_write, cache_folder

SLOW_BLAS = "reference (slow)"
_GFORTRAN = b"libgfortran.so.5"
# The wheel holds kernels of one processor only (OpenBLAS calls them ZEN and NEOVERSEN2) and dies on others.
_WHEEL_NEEDS = {"x86_64": "avx2", "aarch64": "sve2"}
_loaded: str | None = None
_is_tunable = False
_tuned_at = float("-inf")
TUNING_ROUNDS, TUNING_SIZE, WORTH_IT = 3, 512, 1.15


def preload_blas() -> str:
    """Load the best BLAS found, once per process; call it before the first `import mlx.core`.

    Sources in this order: the library named by WEB4MLX_BLAS, a system OpenBLAS, the `cmeel-openblas` wheel
    where this processor can run it.

    Returns:
        What is in use: a path, `reference (slow)` when no fast BLAS was found, or `Accelerate` on macOS.
    """
    global _loaded, _is_tunable
    if _loaded is not None:
        return _loaded
    if sys.platform == "darwin":
        _loaded = "Accelerate"
        return _loaded
    if "mlx.core" in sys.modules:
        warnings.warn("MLX was imported before its BLAS: products are 50 times slower", stacklevel=2)
    _is_tunable = "OPENBLAS_NUM_THREADS" not in os.environ
    if _is_tunable:
        os.environ["OPENBLAS_NUM_THREADS"] = str(blas_threads())
    candidates = (os.environ.get("WEB4MLX_BLAS"), "libopenblas.so.0", _packaged_openblas())
    _loaded = next((name for name in candidates if name and _load(name)), SLOW_BLAS)
    if _is_tunable:
        del os.environ["OPENBLAS_NUM_THREADS"]  # read once, by the library; children decide for themselves
    return _loaded


def blas_threads() -> int:
    """Threads for matrix products: one core stays free.

    OpenBLAS's threads wait for each other by spinning. When another program takes a core they share, products
    become ten times slower; one thread less costs little beside that. `tune_blas_threads` asks for the last
    one.
    """
    return max(1, usable_cores() - 1)


def tune_blas_threads(pause_s: float = 0.0) -> int:
    """Use all cores for matrix products while that is really faster than leaving one free.

    It takes a few hundredths of a second, so long work repeats it: whether the last core helps depends on
    what else runs. On the few shapes tried the number of threads did not change a bit of the products.
    OPENBLAS_NUM_THREADS switches this off.

    Args:
        pause_s: Do nothing when the last time is less than this ago.

    Returns:
        Threads in use from now on; 0 when they are not ours to choose, or too soon.
    """
    global _tuned_at
    cores = usable_cores()
    if time.monotonic() - _tuned_at < pause_s:
        return 0
    if not _is_tunable or _loaded in (None, SLOW_BLAS, "Accelerate") or cores < 2:
        return 0
    library = ctypes.CDLL(_loaded)
    if not hasattr(library, "openblas_set_num_threads"):
        return 0
    fewer, all_cores = _fastest_products(library, (cores - 1, cores))
    chosen = cores if fewer > all_cores * WORTH_IT else cores - 1
    library.openblas_set_num_threads(chosen)
    _tuned_at = time.monotonic()
    return chosen


def _fastest_products(library: ctypes.CDLL, counts: tuple[int, ...]) -> list[float]:
    """Median seconds of a matrix product for each number of threads, measured in turn."""
    import statistics

    import mlx.core as mx

    left = mx.random.normal((TUNING_SIZE, TUNING_SIZE), key=mx.random.key(0))
    mx.eval(left, left @ left)
    times: list[list[float]] = [[] for _ in counts]
    for _ in range(TUNING_ROUNDS):
        for count, seconds in zip(counts, times, strict=True):
            library.openblas_set_num_threads(count)
            mx.eval(left @ left)
            started = time.perf_counter()
            mx.eval(left @ left, left @ left)
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in times]


def usable_cores() -> int:
    """Cores this process may use; WEB4MLX_THREADS lowers it."""
    if os.environ.get("WEB4MLX_THREADS", "").isdigit():
        return max(1, int(os.environ["WEB4MLX_THREADS"]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(library: str) -> bool:
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def _packaged_openblas() -> str | None:
    """The wheel's OpenBLAS, after providing the Fortran runtime it asks for."""
    library = _packaged_file("cmeel-openblas", "libopenblas.so.0.3")
    if library is None or _WHEEL_NEEDS.get(platform.machine()) not in cpu_features():
        return None
    if not _load("libgfortran.so.5"):
        _load_bundled_gfortran()
    return str(library)


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """What the processor can do in Linux's terms, e.g. `avx2`; empty where that cannot be read."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    known = (line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features")))
    return set(next(known, ()))


def _packaged_file(package: str, ending: str) -> Path | None:
    try:
        entries = files(package) or []
    except PackageNotFoundError:
        return None
    return next((Path(str(e.locate())) for e in entries if str(e).endswith(ending)), None)


def _load_bundled_gfortran() -> None:
    """Load the Fortran runtime that the mlx-cpu wheel carries under its standard name.

    Wheels rename their bundled libraries; the dynamic linker resolves OpenBLAS's need for
    `libgfortran.so.5` only by that exact name, so a renamed copy is kept in the cache.
    """
    try:
        entries = [str(entry.locate()) for entry in files("mlx-cpu") or []]
    except PackageNotFoundError:
        return
    quadmath = next((entry for entry in entries if "/libquadmath-" in entry), None)
    gfortran = next((entry for entry in entries if "/libgfortran-" in entry), None)
    if gfortran is None:
        return
    if quadmath is not None:
        _load(quadmath)
    source = Path(gfortran)
    copy = cache_folder() / "blas" / source.name / _GFORTRAN.decode()
    if not copy.exists():
        bundled_name = source.name.encode() + b"\0"
        standard_name = _GFORTRAN.ljust(len(bundled_name), b"\0")
        atomic_write(copy, source.read_bytes().replace(bundled_name, standard_name))
    _load(str(copy))


def measure_gflops(size: int = 768, seconds: float = 0.5) -> float:
    """Measured speed of float32 matrix products on MLX's default device, in GFLOP/s."""
    from web4mlx.machine.mlx_runtime import load_mlx

    mx = load_mlx()
    left, right = mx.random.normal((size, size)), mx.random.normal((size, size))
    mx.eval(left, right, left @ right)
    products, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        mx.eval(left @ right)
        products += 1
    return 2 * size**3 * products / (time.perf_counter() - start) / 1e9
