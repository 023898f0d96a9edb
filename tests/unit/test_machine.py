"""The machine: BLAS, device, precision, memory limits, wakefulness and the lease. The Mac is a fake."""

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from web4mlx.errors import MissingPrerequisite
from web4mlx.machine import awake, blas, describe, mlx_runtime
from web4mlx.machine.memory import read_memory

M1_MAX = {"max_recommended_working_set_size": 22_906_503_168, "memory_size": 34_359_738_368}


class FakeMetal:
    """The three setters of `mlx.core` that bound memory."""

    def __init__(self) -> None:
        self.limits: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[[int], None]:
        return lambda value: self.limits.__setitem__(name, value)


def test_limits_are_a_share_of_the_working_set_and_wire_what_is_needed() -> None:
    metal = FakeMetal()
    limits = mlx_runtime.apply_limits(metal, M1_MAX, 0.85, needed_bytes=15_300_000_000)
    assert limits["memory"] == int(22_906_503_168 * 0.85)
    assert limits["wired"] == 19_300_000_000
    assert metal.limits == {
        "set_memory_limit": limits["memory"],
        "set_wired_limit": limits["wired"],
        "set_cache_limit": limits["cache"],
    }


@pytest.mark.parametrize("needed_bytes", [None, 10**9, 10**12])
@pytest.mark.parametrize("memory_size", [8 * 10**9, 32 * 10**9, 128 * 10**9])
def test_never_more_is_wired_than_the_system_can_spare(needed_bytes: int | None, memory_size: int) -> None:
    info = {"max_recommended_working_set_size": memory_size * 3 // 4, "memory_size": memory_size}
    limits = mlx_runtime.apply_limits(FakeMetal(), info, 1.0, needed_bytes)
    assert limits["wired"] <= min(memory_size * 0.65, info["max_recommended_working_set_size"])


def test_without_metal_no_limit_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlx_runtime, "gpu_kind", lambda: None)
    assert mlx_runtime.limit_memory(0.85) == {}


@pytest.mark.parametrize(
    ("choice", "chip", "on_gpu", "dtype"),
    [
        ("auto", "Apple M1 Max", True, "float16"),
        ("auto", "Apple M2", True, "float16"),
        ("auto", "Apple M3 Pro", True, "bfloat16"),
        ("auto", "Apple M1 Max", False, "float32"),
        ("auto", "Intel(R) Xeon(R)", False, "float32"),
        ("float16", "Apple M4", True, "float16"),
    ],
)
def test_the_precision_fits_the_chip(
    choice: mlx_runtime.DtypeChoice, chip: str, on_gpu: bool, dtype: str
) -> None:
    assert mlx_runtime.choose_dtype(choice, chip, on_gpu) == dtype


def test_a_wanted_gpu_that_is_not_there_is_never_replaced_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlx_runtime, "gpu_kind", lambda: None)
    with pytest.raises(MissingPrerequisite, match=r"hardware\.device is 'gpu'"):
        mlx_runtime.load_mlx("gpu")
    mx = mlx_runtime.load_mlx("auto")
    assert mx.default_device() == mx.cpu


def test_the_chip_of_a_mac_is_what_sysctl_says(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(stdout="Apple M1 Max\n")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    assert describe.chip_name() == "Apple M1 Max"
    assert commands == [["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]]


def test_a_mac_reports_its_working_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlx.core as mx

    monkeypatch.setattr(describe, "gpu_kind", lambda: "metal")
    monkeypatch.setattr(describe, "chip_name", lambda: "Apple M1 Max")
    monkeypatch.setattr(mx, "device_info", lambda: M1_MAX)
    machine = describe.describe_machine()
    assert (machine.device, machine.dtype) == ("metal", "float16")
    assert machine.working_set_bytes == 22_906_503_168


def test_this_machine_is_described() -> None:
    machine = describe.describe_machine()
    assert 0 < machine.memory_available_bytes <= machine.memory_bytes
    assert machine.chip
    assert machine.cores >= 1
    assert (machine.working_set_bytes is None) == (machine.device != "metal")


def test_memory_of_this_process_is_read_in_bytes() -> None:
    reading = read_memory()
    assert 10**6 < reading.process_bytes <= reading.process_peak_bytes * 1.1 < 10**12


def test_a_mac_stays_awake_as_long_as_the_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", started.append)
    awake.keep_awake(123, "darwin")
    assert started == [["/usr/bin/caffeinate", "-i", "-s", "-w", "123"]]
    assert awake.keep_awake(123, "linux") is None
    assert len(started) == 1


def test_a_second_heavy_job_is_refused_and_told_which_one_runs() -> None:
    assert awake.lease_holder() == ""
    with awake.gpu_lease("training web4_demo"):
        assert awake.lease_holder() == "training web4_demo"
        with pytest.raises(MissingPrerequisite, match="training web4_demo"), awake.gpu_lease("another"):
            pytest.fail("two jobs at once")
        assert awake.lease_holder() == "training web4_demo"
    assert awake.lease_holder() == ""


def test_the_lease_ends_with_a_job_that_fails() -> None:
    def fail() -> None:
        with awake.gpu_lease("training"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    with awake.gpu_lease("the next one"):
        assert awake.lease_holder() == "the next one"


def test_the_lease_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom web4mlx.machine.awake import gpu_lease\n"
        "with gpu_lease('killed'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert awake.lease_holder() == ""


@pytest.fixture
def no_blas_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_loaded", None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(blas, "_packaged_openblas", lambda: "/packaged/libopenblas.so")


@pytest.mark.parametrize(
    ("loadable", "chosen"),
    [
        ({"/mine.so", "libopenblas.so.0", "/packaged/libopenblas.so"}, "/mine.so"),
        ({"libopenblas.so.0", "/packaged/libopenblas.so"}, "libopenblas.so.0"),
        ({"/packaged/libopenblas.so"}, "/packaged/libopenblas.so"),
        (set(), blas.SLOW_BLAS),
    ],
)
def test_the_named_blas_comes_before_the_systems_and_that_before_the_packaged_one(
    loadable: set[str], chosen: str, no_blas_yet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(library: str, mode: int) -> None:
        assert mode == ctypes.RTLD_GLOBAL
        if library not in loadable:
            raise OSError(library)

    monkeypatch.setenv("WEB4MLX_BLAS", "/mine.so")
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert blas.preload_blas() == chosen
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert blas.preload_blas() == chosen, "loaded once per process"


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("flags\t\t: fpu sse2 avx avx2 bmi2", True),
        ("flags\t\t: fpu sse2 avx", False),
        ("Features\t: fp asimd avx2", True),
        ("model name\t: avx2", False),
        ("", False),
    ],
)
def test_the_packaged_blas_is_left_alone_by_a_processor_that_cannot_run_it(
    line: str, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
    features = blas.cpu_features(tmp_path / "cpuinfo")
    monkeypatch.setattr(blas.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(blas, "cpu_features", lambda: features)
    monkeypatch.setattr(blas, "_packaged_file", lambda package, ending: Path("/packaged/libopenblas.so.0.3"))
    monkeypatch.setattr(blas, "_load", lambda library: True)
    assert blas._packaged_openblas() == ("/packaged/libopenblas.so.0.3" if runs else None)


def test_a_processor_that_is_not_described_can_do_nothing_special(tmp_path: Path) -> None:
    assert blas.cpu_features(tmp_path / "missing") == set()


def test_a_mac_needs_no_blas(no_blas_yet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert blas.preload_blas() == "Accelerate"


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED HERE: the BLAS preload is for Linux")
def test_mlx_multiplies_with_the_blas_that_was_loaded() -> None:
    code = (
        "import ctypes\nfrom web4mlx.machine.blas import measure_gflops, preload_blas\n"
        "print(preload_blas())\n"
        "ctypes.CDLL(None).openblas_get_num_threads\n"
        "assert measure_gflops(size=256, seconds=0.05) > 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "openblas" in done.stdout
