"""What the doctor reads from the machine. Judging it is done elsewhere, so that any machine can be tested."""

import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires

from web4mlx.artifacts import RECORDED_PACKAGES, installed_versions
from web4mlx.machine.describe import Machine
from web4mlx.machine.doctor.listeners import listening_addresses

OLLAMA_PORT = 11434


@dataclass(frozen=True)
class Facts:
    """One reading of the machine.

    Args:
        machine: Chip, device and memory; None when MLX cannot be loaded.
        mlx_error: Why MLX cannot be loaded.
        blas: The BLAS in use, as `preload_blas` names it.
        gflops: Measured speed of matrix products; None when it could not be measured.
        python: Version and architecture of the interpreter.
        versions: Installed packages that the numbers depend on.
        pinned: The versions this release was tested with.
        environment: The process's environment.
        listeners: Addresses at which something listens on Ollama's port; None when that cannot be seen.
        lease_holder: The job that holds the accelerator's lease; empty when none does.
    """

    machine: Machine | None
    mlx_error: str = ""
    blas: str = ""
    gflops: float | None = None
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    listeners: tuple[str, ...] | None = ()
    lease_holder: str = ""


def read_facts() -> Facts:
    """Read the machine; takes one to three seconds."""
    from web4mlx.machine.awake import lease_holder
    from web4mlx.machine.blas import preload_blas

    machine, gflops, mlx_error = None, None, ""
    blas = preload_blas()
    try:
        machine, gflops = _measure()
    except (ImportError, OSError) as error:  # a missing package or shared library
        mlx_error = str(error)
    return Facts(
        machine=machine,
        mlx_error=mlx_error,
        blas=blas,
        gflops=gflops,
        python=f"{platform.python_version()} {platform.machine()} ({sys.executable})",
        versions=installed_versions(),
        pinned=pinned_versions(),
        environment=dict(os.environ),
        listeners=listening_addresses(OLLAMA_PORT),
        lease_holder=lease_holder(),
    )


def _measure() -> tuple[Machine, float]:
    from web4mlx.machine.blas import measure_gflops
    from web4mlx.machine.describe import describe_machine

    machine = describe_machine()
    return machine, measure_gflops()


def pinned_versions() -> dict[str, str]:
    """The exact versions that the installed distribution asks for, as far as they are recorded ones."""
    try:
        lines = requires("web4mlx") or []
    except PackageNotFoundError:  # run from a checkout without being installed
        return {}
    return parse_pins(lines)


def parse_pins(requirements: list[str]) -> dict[str, str]:
    """The packages with an exact version among requirement lines, without those of extras."""
    pins = {}
    for line in requirements:
        match = re.match(r"([\w.-]+)(?:\[[\w,]*\])?\s*==\s*([\w.]+)", line)
        if match and match[1].lower() in RECORDED_PACKAGES and "extra ==" not in line:
            pins[match[1].lower()] = match[2]
    return pins
