"""The machine: chip, memory, swap, disk, how warm it is; cheap enough to be read every second."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

THERMAL_S = 2.0


@dataclass(frozen=True)
class MachineReadings:
    """Sizes are bytes, loads are shares from 0 to 1. `working_set` is Metal's limit, None without Metal.

    `thermal` is what the system says in words; empty when it says nothing.
    """

    chip: str
    cores: int
    device: str
    memory: int
    memory_used: int
    swap: int
    swap_used: int
    disk: int
    disk_used: int
    cpu: float
    working_set: int | None
    thermal: str
    lease: str


def read_machine(outputs: Path) -> MachineReadings:
    """Read the machine; the disk is the one of the outputs folder."""
    import psutil

    from web4mlx.machine.awake import lease_holder, line_holder

    chip, cores, device, working_set = _fixed()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    disk = shutil.disk_usage(_existing(outputs))
    return MachineReadings(
        chip=chip, cores=cores, device=device, working_set=working_set,
        memory=memory.total, memory_used=memory.total - memory.available,
        swap=swap.total, swap_used=swap.used, disk=disk.total, disk_used=disk.total - disk.free,
        cpu=psutil.cpu_percent() / 100, thermal=read_thermal(),
        lease=lease_holder() or line_holder(outputs),
    )  # fmt: skip


@cache
def _fixed() -> tuple[str, int, str, int | None]:
    from web4mlx.machine.describe import describe_machine

    machine = describe_machine()
    return machine.chip, machine.cores, machine.device, machine.working_set_bytes


def _existing(folder: Path) -> Path:
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def read_thermal() -> str:
    """What the system says about its temperature; empty when it says nothing."""
    if sys.platform == "darwin":
        return _mac_thermal()
    import psutil

    sensors: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    degrees = [entry.current for entries in sensors.values() for entry in entries if entry.current]
    return f"{max(degrees):.0f} °C" if degrees else ""


def _mac_thermal() -> str:
    try:
        answer = subprocess.run(
            ["/usr/bin/pmset", "-g", "therm"], capture_output=True, text=True, check=False, timeout=THERMAL_S
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    limits = [line.partition("=")[2].strip() for line in answer.splitlines() if "CPU_Speed_Limit" in line]
    if not limits:
        return "no throttling" if "No thermal warning" in answer else ""
    return "no throttling" if limits[0] == "100" else f"throttled to {limits[0]} %"
