"""The doctor: each trouble is found, has a fix, and leads to the right exit code."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from web4mlx.config import RunConfig, find_config, load_config, write_config
from web4mlx.config.schema import DataConfig, HardwareConfig, ModelConfig
from web4mlx.errors import ExitCode
from web4mlx.machine.blas import SLOW_BLAS
from web4mlx.machine.describe import Machine
from web4mlx.machine.doctor import Item, examine, exposure, hardware, project, software
from web4mlx.machine.doctor.facts import Facts, parse_pins, read_facts
from web4mlx.machine.doctor.item import amount
from web4mlx.machine.doctor.listeners import is_loopback, listening_addresses, parse_netstat

GB = 10**9
MAC = Machine(
    system="Darwin 24.0 arm64",
    chip="Apple M1 Max",
    cores=10,
    memory_bytes=34 * GB,
    memory_available_bytes=28 * GB,
    swap_total_bytes=0,
    swap_used_bytes=0,
    device="metal",
    working_set_bytes=23 * GB,
    dtype="float16",
)
PC = MAC.model_copy(
    update={"system": "Linux 6 x86_64", "device": "cpu", "dtype": "float32", "working_set_bytes": None}
)
VERSIONS = dict.fromkeys(software.NEEDED, "1.0")
HEALTHY = Facts(machine=MAC, blas="Accelerate", gflops=900.0, python="3.11.7 arm64", versions=VERSIONS)
SEVEN_B = 15_231_000_000
NETSTAT = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp46      0      0  *.11434                *.*                    LISTEN
tcp4       0      0  127.0.0.1.11434        *.*                    LISTEN
tcp4       0      0  127.0.0.1.8080         *.*                    LISTEN
tcp4       0      0  192.168.1.5.11434      192.168.1.9.50000      ESTABLISHED
"""


def verdict(item: Item) -> str:
    assert (item.fix == "") == (item.verdict == "ok"), "a fix goes with every trouble, and only with one"
    assert (item.exit_code == 0) == (item.verdict != "problem")
    return item.verdict


def by_name(items: object) -> dict[str, Item]:
    return {item.name: item for item in items}  # type: ignore[attr-defined]


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


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), "ok"),
        (("127.0.0.1",), "ok"),
        (("127.0.0.1", "::1", "::ffff:127.0.0.1"), "ok"),
        (("0.0.0.0",), "problem"),
        (("::",), "problem"),
        (("*",), "problem"),
        (("127.0.0.1", "192.168.1.5"), "problem"),
        (None, "warning"),
    ],
)
def test_a_listener_that_others_can_reach_fails_the_check(
    addresses: tuple[str, ...] | None, expected: str
) -> None:
    item = exposure.check_listeners(addresses)
    assert verdict(item) == expected
    assert item.exit_code == (ExitCode.CHECK_FAILED if expected == "problem" else 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "ok"),
        ("127.0.0.1", "ok"),
        ("127.0.0.1:11434", "ok"),
        ("localhost:11434", "ok"),
        (":5000", "ok"),
        ("http://127.0.0.1", "ok"),
        ("[::1]:11434", "ok"),
        ("::1", "ok"),
        (' "127.0.0.1" ', "ok"),
        ("0.0.0.0", "problem"),
        ("0.0.0.0:11434", "problem"),
        ("http://0.0.0.0:11434/", "problem"),
        ("::", "problem"),
        ("[::]:11434", "problem"),
        ("*", "problem"),
        ("gpu-box", "problem"),
        ("https://ollama.example.org", "problem"),
        ("127.0.0.1.example.org", "problem"),
        ("http://[broken", "problem"),
    ],
)
def test_only_a_loopback_host_is_accepted(host: str, expected: str) -> None:
    assert verdict(exposure.check_settings({"OLLAMA_HOST": host})) == expected


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ("", "ok"),
        ("http://localhost:*,app://obsidian.md", "ok"),
        ("https://*.example.org", "ok"),
        ("*", "problem"),
        ("http://localhost, http://*", "problem"),
        ("https://*:*", "problem"),
    ],
)
def test_origins_that_let_any_page_in_fail_the_check(origins: str, expected: str) -> None:
    assert verdict(exposure.check_settings({"OLLAMA_ORIGINS": origins})) == expected


def test_offline_flags_are_said_with_how_to_lift_them() -> None:
    item = exposure.check_hub(replace(HEALTHY, environment={"HF_HUB_OFFLINE": "1"}))
    assert verdict(item) == "warning"
    assert "`unset HF_HUB_OFFLINE`" in item.fix
    assert verdict(exposure.check_hub(replace(HEALTHY, environment={"HF_HUB_OFFLINE": "0"}))) == "ok"


def test_netstat_of_a_mac_tells_the_listeners_of_the_port() -> None:
    assert parse_netstat(NETSTAT, 11434) == ("*", "127.0.0.1")
    assert parse_netstat(NETSTAT, 1434) == ()


def test_no_netstat_means_that_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("subprocess.run", run)
    assert listening_addresses(11434, "darwin") is None


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="NOT TESTED HERE: reads Linux's sockets")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_real_listener_is_seen_with_its_address(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert listening_addresses(port) == (address,)
    assert listening_addresses(port) == ()


def test_loopback_is_127_and_1_and_localhost_only() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.8.8.8", "[::1]", "::1%lo0"))
    assert not any(is_loopback(host) for host in ("", "*", "10.0.0.1", "fe80::1%en0", "localhost.org"))


@pytest.fixture
def config(in_tmp: Path) -> RunConfig:
    """A run whose files are all there but the base."""
    data = DataConfig(train=(Path("data/a.jsonl"), Path("data/b.jsonl")), eval=Path("data/e.jsonl"))
    Path("data").mkdir()
    for file in (*data.train, data.eval):
        file.write_text("{}\n")
    shipped = load_config(find_config("demo")).modelfile
    repository = Path(__file__).parents[2]
    Path("Modelfile").write_text((repository / shipped).read_text("utf-8"), "utf-8")
    return RunConfig(data=data)


def test_data_files_are_counted_or_named(config: RunConfig) -> None:
    assert verdict(project.check_data_files(config)) == "ok"
    config.data.train[0].write_text("")
    config.data.eval.unlink()
    item = project.check_data_files(config)
    assert verdict(item) == "problem"
    assert "data/e.jsonl is missing" in item.detail
    assert "data/a.jsonl is empty" in item.detail


def test_a_missing_selection_is_named(config: RunConfig) -> None:
    data = config.data.model_copy(update={"selection": Path("short.ids")})
    item = project.check_data_files(config.model_copy(update={"data": data}))
    assert verdict(item) == "problem"
    assert "short.ids is missing" in item.detail


def test_a_corpus_that_will_be_generated_is_no_problem(config: RunConfig) -> None:
    demo = config.model_copy(update={"data": config.data.model_copy(update={"sample_scale": "demo"})})
    for file in (*config.data.train, config.data.eval):
        file.unlink()
    item = project.check_data_files(demo)
    assert verdict(item) == "warning"
    assert "web4mlx data sample --scale demo --folder data" in item.fix
    assert verdict(project.check_data_files(config)) == "problem"


def test_a_missing_base_comes_with_the_command_that_gets_it(config: RunConfig) -> None:
    item = project.check_base(config)
    assert verdict(item) == "problem"
    assert item.exit_code == ExitCode.MISSING_PREREQUISITE
    assert "web4mlx download smollm2-135m-instruct" in item.fix


def test_a_modelfile_that_does_not_parse_is_a_usage_error_with_its_line(config: RunConfig) -> None:
    assert verdict(project.check_modelfile(Path("Modelfile"))) == "ok"
    Path("Modelfile").write_text("FROM ./a.gguf\nPARAMETER temperature hot\n")
    item = project.check_modelfile(Path("Modelfile"))
    assert verdict(item) == "problem"
    assert "line 2" in item.detail
    assert project.check_modelfile(Path("None")).exit_code == ExitCode.MISSING_PREREQUISITE


def test_a_folder_that_cannot_be_written_is_a_missing_prerequisite(config: RunConfig) -> None:
    assert verdict(project.check_folder("outputs", Path("outputs"))) == "ok"
    item = project.check_folder("outputs", Path("Modelfile/outputs"))
    assert verdict(item) == "problem"
    assert item.exit_code == ExitCode.MISSING_PREREQUISITE


def test_disk_is_held_against_what_the_run_will_write(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = project.disk_needs(config, SEVEN_B)
    assert needs["model folder"] == SEVEN_B
    assert needs["outputs"] > 2 * SEVEN_B
    monkeypatch.setattr(project, "free_bytes", lambda path: sum(needs.values()))
    assert verdict(project.check_disk(config, SEVEN_B)) == "ok"
    monkeypatch.setattr(project, "free_bytes", lambda path: sum(needs.values()) - 1)
    assert verdict(project.check_disk(config, SEVEN_B)) == "problem"


def test_the_size_of_the_real_base_is_known_before_its_download(config: RunConfig) -> None:
    real = config.model_copy(update={"model": ModelConfig(base="Qwen/Qwen2.5-Coder-7B-Instruct")})
    assert project.weights_bytes(real) == SEVEN_B
    unknown = config.model_copy(update={"model": ModelConfig(base="no such thing")})
    assert project.weights_bytes(unknown) is None


def test_a_broken_configuration_leaves_the_machine_examined(config: RunConfig) -> None:
    Path("run.toml").write_text("[data]\n")
    checkup = examine("run.toml", HEALTHY)
    items = by_name(checkup.items)
    assert verdict(items["config"]) == "problem"
    assert "data.train: required, but missing" in items["config"].detail
    assert verdict(items["chip"]) == "ok"
    assert checkup.exit_code == ExitCode.USAGE


def test_what_must_be_there_first_decides_the_exit_code(config: RunConfig) -> None:
    write_config(config, Path("run.toml"))
    exposed = replace(HEALTHY, listeners=("0.0.0.0",))
    assert examine("run.toml", exposed).exit_code == ExitCode.MISSING_PREREQUISITE
    items = [item for item in examine("run.toml", exposed).items if item.name != "base model"]
    assert {item.exit_code for item in items} == {ExitCode.OK, ExitCode.CHECK_FAILED}


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
