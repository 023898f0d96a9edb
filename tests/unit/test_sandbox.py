"""The sandbox holds: each test tries to break out, to stay, or to use too much, for real."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import evals.sandbox as sandbox
from evals.harnesses.tool_success import HARNESS
from evals.sandbox import SandboxLimits, require_isolation
from evals.tool_execution import execute_case
from tests.sandboxes import isolated_only, run
from web4mlx.errors import MissingPrerequisite


def processes_with(mark: str) -> list[psutil.Process]:
    """Processes of this machine whose command line holds a mark, other than the sandbox's own start."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if mark in (process.info["cmdline"] or []) and process.status() != psutil.STATUS_ZOMBIE
    ]


@isolated_only
def test_a_command_sees_the_project_and_an_empty_home() -> None:
    result = run("cat a/b.txt; ls -A ~; pwd; echo x > ~/y && cat ~/y", {"a/b.txt": "hello\n"})
    assert result.status == "succeeded"
    assert result.output == "hello\n/tmp/project\nx\n"


@isolated_only
def test_the_environment_is_scrubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "abc123")
    output = run("env; cat /proc/1/environ /proc/self/environ 2>/dev/null").output
    assert "abc123" not in output
    assert str(Path.home()) not in output
    assert {line.partition("=")[0] for line in run("env").output.split()} == {
        "HOME",
        "LANG",
        "PATH",
        "PWD",
        "TMPDIR",
    }


@isolated_only
def test_the_network_is_out_of_reach_and_loopback_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        result = run(f'/usr/bin/env python3 -c "{script}"')
        assert result.status == "failed"
        assert "refused" in result.output or "unreachable" in result.output or "not found" in result.output
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert run("cat /proc/net/dev | grep -v lo: | grep -c :").output == "0\n"


@isolated_only
def test_nothing_outside_is_written(tmp_path: Path) -> None:
    target = tmp_path / "open"
    target.mkdir()
    target.chmod(0o777)
    here = Path(__file__).parent
    for folder in (target, here, "/etc", "/usr/bin", "/var/tmp", "/dev/shm", "/"):
        result = run(f"mkdir -p {folder} 2>/dev/null; echo x > {folder}/escaped")
        assert not Path(folder, "escaped").exists()
        assert result.status == "failed" or str(folder).startswith(
            "/tmp"
        )  # the sandbox has a /tmp of its own


@isolated_only
def test_read_only_cannot_be_undone() -> None:
    result = run(
        "mount -o remount,rw /; unshare -Urm true; umount /tmp; grep ^Cap /proc/self/status; "
        "grep NoNewPrivs /proc/self/status; echo x > /escaped"
    )
    assert result.status == "failed"
    capabilities = [line.split()[1] for line in result.output.splitlines() if line.startswith("Cap")]
    assert len(capabilities) == 5
    assert {int(value, 16) for value in capabilities} == {0}
    assert "NoNewPrivs:\t1" in result.output


@isolated_only
def test_other_processes_are_neither_seen_nor_reached() -> None:
    result = run(
        f"kill -9 {os.getpid()}; kill -9 1; kill -9 {os.getppid()}; ls /proc | grep -c '^[0-9]'; true"
    )
    assert int(result.output.splitlines()[-1]) < 10


@isolated_only
def test_the_result_cannot_be_forged() -> None:
    forged = json.dumps({"status": "succeeded", "output": "forged"})
    result = run(f"for f in 1 2; do echo '{forged}' > /proc/1/fd/$f; done; false")
    assert result.status == "failed"
    assert result.exit_code == 1


@isolated_only
def test_an_endless_loop_ends_at_the_cpu_limit() -> None:
    result = run("while :; do :; done", limits=SandboxLimits(cpu_s=1, wall_s=30))
    assert result.status == "failed"
    assert result.wall_s < 29


@isolated_only
def test_waiting_ends_at_the_time_limit() -> None:
    result = run("sleep 777.25", limits=SandboxLimits(wall_s=2))
    assert result.status == "killed"
    assert result.reason == "not done after 2 s"
    assert processes_with("777.25") == []


@isolated_only
@pytest.mark.parametrize(
    "start", ["sleep 778.5 &", "setsid sleep 778.5 &", "(trap '' HUP TERM; setsid sh -c 'sleep 778.5' &);"]
)
def test_a_child_that_outlives_its_parent_is_killed(start: str) -> None:
    assert run(f"{start} echo started").output == "started\n"
    assert processes_with("778.5") == []
    assert run(f"{start} sleep 100", limits=SandboxLimits(wall_s=2)).status == "killed"
    assert processes_with("778.5") == []


@isolated_only
def test_a_fork_bomb_stays_small() -> None:
    result = run(
        "bomb() { bomb | bomb & }; bomb; sleep 1; ls /proc | grep -c '^[0-9]'",
        limits=SandboxLimits(processes=20, wall_s=6),
    )
    assert result.wall_s < 12
    count = run("for i in $(seq 60); do sleep 5 & done", limits=SandboxLimits(processes=20, wall_s=20))
    assert count.status == "failed"
    assert "ork" in count.output


@isolated_only
def test_memory_and_files_have_limits() -> None:
    memory = run(
        "head -c 900000000 /dev/zero | tail -c 890000000 > /dev/null",
        limits=SandboxLimits(memory_bytes=200_000_000),
    )
    assert "memory" in memory.output
    result = run("head -c 9000000 /dev/zero > big; wc -c < big", limits=SandboxLimits(file_bytes=1_000_000))
    assert result.output.split()[-1] == "1000000"
    full = run(
        "for i in $(seq 30); do head -c 1000000 /dev/zero > f$i || exit 5; done",
        limits=SandboxLimits(file_bytes=1_000_000),
    )
    assert full.exit_code == 5
    assert "No space" in full.output


@isolated_only
def test_huge_output_is_capped() -> None:
    result = run("yes | head -c 30000000", limits=SandboxLimits(output_bytes=1000))
    assert result.output == "y\n" * 500
    assert result.truncated
    assert run("yes & echo", limits=SandboxLimits(output_bytes=1000, wall_s=10)).status == "succeeded"
    assert run("printf 12345", limits=SandboxLimits(output_bytes=5)).truncated is False


@pytest.fixture
def not_isolable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose isolation breaks: the process starts, but Linux is not Linux."""
    monkeypatch.setattr(
        sandbox, "START", f"import platform; platform.system = lambda: 'Darwin'; {sandbox.START}"
    )
    require_isolation.cache_clear()
    yield
    require_isolation.cache_clear()


@pytest.mark.usefixtures("not_isolable")
def test_without_isolation_nothing_is_executed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(MissingPrerequisite, match="namespaces need Linux"):
        run(f"touch {tmp_path}/executed")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MissingPrerequisite):
        execute_case(HARNESS.cases()[0], "no call at all")


def test_a_sandbox_that_does_not_start_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "START", "raise SystemError('broken')")
    require_isolation.cache_clear()
    with pytest.raises(MissingPrerequisite, match="broken"):
        run("true")
    require_isolation.cache_clear()


@isolated_only
def test_a_dead_caller_leaves_nothing_behind() -> None:
    import subprocess

    code = (
        "from evals.checkers.toolcalls import Call; from evals.sandbox import run_call; "
        "run_call(Call('run_terminal_command', {'command': 'setsid sleep 779.5'}, 'json'), {})"
    )
    caller = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not processes_with("779.5") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with("779.5")
    caller.kill()
    caller.wait()
    while processes_with("779.5") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with("779.5") == []
