"""The doctor on the machine and its packages: each trouble is found and has a fix."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.doctor_facts import GB, HEALTHY, MAC, PC, SEVEN_B, VERSIONS, by_name, verdict
from web4mlx.config.schema import HardwareConfig
from web4mlx.errors import ExitCode
from web4mlx.machine.blas import SLOW_BLAS
from web4mlx.machine.describe import Machine
from web4mlx.machine.doctor import examine, hardware, software
from web4mlx.machine.doctor.facts import parse_pins, read_facts
from web4mlx.machine.doctor.item import amount


def test_a_healthy_mac_has_nothing_to_mend() -> None:
    items = list(hardware.check_hardware(HEALTHY, HardwareConfig(), SEVEN_B))
    assert [verdict(item) for item in items] == ["ok"] * len(items)


@pytest.mark.parametrize(
    ("machine", "device", "expected", "fix"),
    [
        (PC, "auto", "warning", "7B on a Mac"),
        (PC, "cpu", "ok", ""),
        (PC, "gpu", "problem", "7B on a Mac"),
        (MAC.model_copy(update={"device": "cpu"}), "auto", "warning", "arm64 Python"),
        (MAC.model_copy(update={"device": "cuda"}), "gpu", "ok", ""),
    ],
)
def test_falling_back_to_the_cpu_is_said_with_what_to_do(
    machine: Machine, device: str, expected: str, fix: str
) -> None:
    item = hardware.check_device(machine, HardwareConfig.model_validate({"device": device}))
    assert verdict(item) == expected
    assert fix in item.fix


@pytest.mark.parametrize(
    ("blas", "gflops", "environment", "expected", "fix"),
    [
        ("/lib/libopenblas.so", 110.0, {}, "ok", ""),
        (SLOW_BLAS, 3.0, {}, "warning", "Install OpenBLAS"),
        ("/lib/libopenblas.so", 12.0, {}, "warning", "keep the cores busy"),
        ("/lib/libopenblas.so", 110.0, {"WEB4MLX_BLAS": "/x.so"}, "warning", "unset WEB4MLX_BLAS"),
        ("/x.so", 110.0, {"WEB4MLX_BLAS": "/x.so"}, "ok", ""),
        (SLOW_BLAS, None, {}, "warning", "Make MLX load"),
    ],
)
def test_a_slow_blas_is_told_from_busy_cores(
    blas: str, gflops: float | None, environment: dict[str, str], expected: str, fix: str
) -> None:
    facts = replace(HEALTHY, machine=PC, blas=blas, gflops=gflops, environment=environment)
    item = hardware.check_speed(facts)
    assert verdict(item) == expected
    assert fix in item.fix


def test_mlx_that_cannot_be_loaded_is_a_missing_prerequisite() -> None:
    facts = replace(HEALTHY, machine=None, gflops=None, mlx_error="version `GLIBC_2.35' not found")
    items = by_name(hardware.check_hardware(facts, HardwareConfig(), SEVEN_B))
    assert verdict(items["MLX"]) == "problem"
    assert "glibc 2.35" in items["MLX"].fix
    assert items["MLX"].exit_code == ExitCode.MISSING_PREREQUISITE


@pytest.mark.parametrize(
    ("total", "available", "dtype", "expected"),
    [
        (34, 28, "float16", "ok"),
        (34, 12, "float16", "warning"),
        (16, 12, "float16", "warning"),
        (34, 28, "float32", "warning"),
    ],
)
def test_memory_is_held_against_the_base_in_its_precision(
    total: int, available: int, dtype: str, expected: str
) -> None:
    machine = MAC.model_copy(
        update={"memory_bytes": total * GB, "memory_available_bytes": available * GB, "dtype": dtype}
    )
    assert verdict(hardware.check_memory(machine, HardwareConfig(), SEVEN_B)) == expected
    assert verdict(hardware.check_memory(machine, HardwareConfig(), None)) == "ok"


def test_a_working_set_that_is_too_small_comes_with_the_command_that_widens_it() -> None:
    small = MAC.model_copy(update={"working_set_bytes": 12 * GB})
    item = hardware.check_working_set(small, HardwareConfig(), SEVEN_B)
    assert verdict(item) == "warning"
    assert "sudo sysctl iogpu.wired_limit_mb=" in item.fix
    assert hardware.check_working_set(PC, HardwareConfig(), SEVEN_B).detail == "none (no Metal here)"


def test_swap_in_use_and_another_job_are_warned_of() -> None:
    swapping = MAC.model_copy(update={"swap_total_bytes": 8 * GB, "swap_used_bytes": 5 * GB})
    assert verdict(hardware.check_swap(swapping)) == "warning"
    item = hardware.check_lease(replace(HEALTHY, lease_holder="training web4_demo"))
    assert verdict(item) == "warning"
    assert "training web4_demo" in item.detail


def test_a_package_that_is_not_installed_is_a_missing_prerequisite() -> None:
    item = software.check_packages(replace(HEALTHY, versions={**VERSIONS} | {"mlx": "1"}))
    assert verdict(item) == "ok"
    lost = {name: version for name, version in VERSIONS.items() if name != "mlx-lm"}
    item = software.check_packages(replace(HEALTHY, versions=lost))
    assert verdict(item) == "problem"
    assert item.detail == "not installed: mlx-lm"


def test_another_version_than_the_tested_one_is_a_warning() -> None:
    facts = replace(HEALTHY, versions=VERSIONS | {"torch": "2.13.0+cpu"}, pinned={"torch": "2.13.0"})
    assert verdict(software.check_packages(facts)) == "ok"
    item = software.check_packages(replace(facts, pinned={"mlx": "9.9"}))
    assert verdict(item) == "warning"
    assert "mlx 1.0 (pinned: 9.9)" in item.detail


def test_pins_are_read_from_requirement_lines() -> None:
    lines = [
        "mlx[cpu]==0.32.4; sys_platform == 'linux'", "numpy==2.4.6", "rich==15.0.0", "torch>=2",
        'gguf==1.0; extra == "dev"',
    ]  # fmt: skip
    assert parse_pins(lines) == {"mlx": "0.32.4", "numpy": "2.4.6"}


def test_a_llama_cpp_folder_without_tools_is_warned_of(tmp_path: Path) -> None:
    facts = replace(HEALTHY, environment={"LLAMA_CPP_DIR": str(tmp_path)})
    items = by_name(software.check_software(facts))
    assert verdict(items["LLAMA_CPP_DIR"]) == "warning"
    assert "LLAMA_CPP_DIR" not in by_name(software.check_software(HEALTHY))


def test_warnings_alone_are_fine() -> None:
    checkup = examine("demo", replace(HEALTHY, lease_holder="training"))
    kept = tuple(item for item in checkup.items if item.verdict != "problem")
    assert any(item.verdict == "warning" for item in kept)
    assert checkup.model_copy(update={"items": kept}).exit_code == ExitCode.OK


def test_this_machine_can_be_read_without_network() -> None:
    facts = read_facts()
    assert facts.machine is not None
    assert facts.gflops is not None
    assert facts.gflops > 0
    assert facts.environment["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2_500_000, "2.5 MB"), (25.3e9, "25.3 GB")],
)
def test_amounts_are_in_units_people_read(size: float, text: str) -> None:
    assert amount(size) == text
