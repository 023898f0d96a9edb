"""What this machine is, as the doctor and the manifests report it."""

import os
import platform
import subprocess
import sys
from typing import Literal

from pydantic import BaseModel, ConfigDict

from web4mlx.machine.mlx_runtime import choose_dtype, gpu_kind


class Machine(BaseModel):
    """Chip, device, memory. `working_set_bytes` is Metal's recommended maximum, None without Metal."""

    model_config = ConfigDict(frozen=True)
    system: str
    chip: str
    cores: int
    memory_bytes: int
    memory_available_bytes: int
    swap_total_bytes: int
    swap_used_bytes: int
    device: Literal["metal", "cuda", "cpu"]
    working_set_bytes: int | None
    dtype: str


def describe_machine() -> Machine:
    """Read the machine's chip, device and memory."""
    import psutil

    kind = gpu_kind()
    chip = chip_name()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    working_set = None
    if kind == "metal":
        import mlx.core as mx

        working_set = int(mx.device_info()["max_recommended_working_set_size"])
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        chip=chip,
        cores=os.cpu_count() or 1,
        memory_bytes=memory.total,
        memory_available_bytes=memory.available,
        swap_total_bytes=swap.total,
        swap_used_bytes=swap.used,
        device=kind or "cpu",
        working_set_bytes=working_set,
        dtype=choose_dtype("auto", chip, kind is not None),
    )


def chip_name() -> str:
    """The processor's marketing name, e.g. `Apple M1 Max`."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return answer.stdout.strip() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = (line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
            return next(names, platform.machine())
    except OSError:
        return platform.machine()
