"""Judging the machine: device, chip, speed, memory, swap, and other heavy jobs."""

from collections.abc import Iterator

from web4mlx.config.schema import HardwareConfig
from web4mlx.machine.blas import SLOW_BLAS
from web4mlx.machine.describe import Machine
from web4mlx.machine.doctor.facts import Facts
from web4mlx.machine.doctor.item import Item, amount, missing, ok, warning

SLOW_GFLOPS = 20.0
SPARE_BYTES = 2 * 10**9
MUCH_SWAP_BYTES = 2 * 10**9
INSTALL_BLAS = (
    "Install OpenBLAS: `apt install libopenblas0-pthread`, or the packaged one (AVX2 or SVE2 needed) with "
    "`pip install -c requirements.lock -e .`, or name a library in WEB4MLX_BLAS; training would take many "
    "times longer."
)
CORES_ARE_BUSY = "Other programs keep the cores busy: stop them and look again."


def check_hardware(facts: Facts, hardware: HardwareConfig, base_bytes: int | None) -> Iterator[Item]:
    """Look at everything the machine itself brings.

    Args:
        facts: The reading.
        hardware: The configured device and limits.
        base_bytes: Size of the base's 16-bit weights; None when not known.
    """
    machine = facts.machine
    if machine is None:
        yield missing("MLX", f"cannot be loaded: {facts.mlx_error}", mlx_remedy(facts.mlx_error))
    else:
        yield check_device(machine, hardware)
        yield ok("chip", f"{machine.chip}, {machine.cores} cores, {machine.system}")
    yield check_speed(facts)
    if machine is not None:
        yield check_memory(machine, hardware, base_bytes)
        yield check_working_set(machine, hardware, base_bytes)
        yield check_swap(machine)
    yield check_lease(facts)


def mlx_remedy(error: str) -> str:
    """What to do when MLX does not load."""
    if "GLIBC" in error:
        return "MLX on Linux needs glibc 2.35 or newer: use Ubuntu 22.04, Debian 12 or later."
    return "Install it again: `pip install web4mlx` (Python 3.11 or newer; on a Mac, an arm64 Python)."


def check_device(machine: Machine, hardware: HardwareConfig) -> Item:
    """GPU, or the CPU as wanted, or the CPU because there is nothing else."""
    name = "device"
    if machine.device != "cpu":
        return ok(name, f"{machine.device}, {machine.dtype}")
    if hardware.device == "cpu":
        return ok(name, f"CPU as configured, {machine.dtype}")
    if machine.system.startswith("Darwin"):
        fix = "Use an arm64 Python on macOS 13.5 or later, outside of Rosetta and virtual machines."
    else:
        fix = "Fine for the demo; train a 7B on a Mac with Apple silicon, or with an NVIDIA GPU."
    if hardware.device == "gpu":
        return missing(name, "hardware.device is 'gpu', but MLX finds none", fix)
    return warning(name, f"no GPU that MLX can use; falling back to the CPU, {machine.dtype}", fix)


def check_speed(facts: Facts) -> Item:
    """The BLAS in use and what it reaches."""
    if facts.gflops is None:
        return warning("BLAS", f"{facts.blas}, not measured", "Make MLX load first.")
    detail = f"{facts.blas}, {facts.gflops:.0f} GFLOP/s (float32)"
    wanted = facts.environment.get("WEB4MLX_BLAS", facts.blas)
    if wanted != facts.blas and facts.blas != "Accelerate":
        return warning("BLAS", f"{detail}; WEB4MLX_BLAS={wanted} cannot be loaded", "`unset WEB4MLX_BLAS`")
    if facts.gflops < SLOW_GFLOPS:
        return warning("BLAS", detail, INSTALL_BLAS if facts.blas == SLOW_BLAS else CORES_ARE_BUSY)
    return ok("BLAS", detail)


def training_bytes(dtype: str, base_bytes: int) -> int:
    """Least memory of a training run: the base's weights in that precision and some room to work in."""
    return base_bytes * (2 if dtype == "float32" else 1) + SPARE_BYTES


def wanted_dtype(machine: Machine, hardware: HardwareConfig) -> str:
    """The precision a run would use."""
    return machine.dtype if hardware.dtype == "auto" else hardware.dtype


def check_memory(machine: Machine, hardware: HardwareConfig, base_bytes: int | None) -> Item:
    """RAM against the least a training run of the base needs."""
    total, available = machine.memory_bytes, machine.memory_available_bytes
    detail = f"{amount(total)}, {amount(available)} available"
    needed = training_bytes(wanted_dtype(machine, hardware), base_bytes) if base_bytes else 0
    if needed > total:
        return warning(
            "memory", f"{detail}; training needs at least {amount(needed)}", "Choose a smaller base model."
        )
    if needed > available:
        return warning(
            "memory", f"{detail}; training needs at least {amount(needed)}", "Close other programs."
        )
    return ok("memory", detail)


def check_working_set(machine: Machine, hardware: HardwareConfig, base_bytes: int | None) -> Item:
    """Metal's working set against the least a training run needs."""
    working_set = machine.working_set_bytes
    if working_set is None:
        return ok("Metal working set", "none (no Metal here)")
    usable = int(working_set * hardware.memory_fraction)
    detail = f"{amount(working_set)}, {amount(usable)} of it for MLX"
    needed = training_bytes(wanted_dtype(machine, hardware), base_bytes) if base_bytes else 0
    if needed > usable:
        fix = (
            "Choose a smaller base model, or let the GPU have more of the memory: "
            f"`sudo sysctl iogpu.wired_limit_mb={needed * 1.2 / 2**20:.0f}` (until the next restart)."
        )
        return warning("Metal working set", f"{detail}; training needs at least {amount(needed)}", fix)
    return ok("Metal working set", detail)


def check_swap(machine: Machine) -> Item:
    """Swap in use is memory that training will not get."""
    if not machine.swap_total_bytes:
        return ok("swap", "none")
    used = machine.swap_used_bytes
    detail = f"{amount(used)} of {amount(machine.swap_total_bytes)} in use"
    if used > MUCH_SWAP_BYTES:
        return warning("swap", detail, "Close other programs before training; swapping slows it many times.")
    return ok("swap", detail)


def check_lease(facts: Facts) -> Item:
    """Whether another of our jobs is using the machine's memory."""
    if facts.lease_holder:
        return warning(
            "other jobs",
            f"in progress: {facts.lease_holder}",
            "Wait for it or stop it; two at once would not fit.",
        )
    return ok("other jobs", "none")
