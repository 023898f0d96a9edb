"""Jobs with real processes: they outlive their starter, are found again, take turns, leave nobody behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.dashboards import (
    SLEEPER,
    STUBBORN,
    snippet,
    wait_for_state,
    wait_for_text,
    wait_until,
    write_job_folder,
)
from tui.feed.jobs import JobsFeed
from tui.jobs import stop as jobs_stop
from tui.jobs.process import ProcessMark, is_alive, mark_process
from tui.jobs.record import Job, list_jobs, read_job
from tui.jobs.start import drop, release, start_next, submit
from tui.jobs.stop import stop
from web4mlx.errors import UsageError
from web4mlx.machine.awake import gpu_lease, line_lease


@pytest.fixture(autouse=True)
def nobody_is_left(tmp_path: Path) -> Iterator[None]:
    """No process of a job may be left; after a failed test, what is left is killed."""
    yield
    try:
        wait_until(lambda: not processes_of(tmp_path), "the end of all jobs")
    finally:
        for process in processes_of(tmp_path):
            process.kill()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Watchers of jobs below a folder, with all that descend from them."""
    watchers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]
    return [member for watcher in watchers for member in (watcher, *watcher.children(recursive=True))]


def begin(outputs: Path, code: str = SLEEPER, **kind: object) -> Job:
    """Start a job and wait until it sleeps."""
    job = submit(outputs, snippet(**kind), [code], "a sleeper")  # type: ignore[arg-type]
    if job.state == "running":
        wait_for_text(job, "asleep")
    found = read_job(job.folder)
    assert found
    return found


def end(job: Job) -> Job:
    """Stop a job and wait for it."""
    stop(job, at_once=True).join()
    return wait_for_state(job, "stopped", "done", "failed")


@pytest.mark.parametrize(("code", "state"), [(0, "done"), (1, "refused"), (4, "failed"), (130, "stopped")])
def test_the_exit_code_becomes_the_state(tmp_path: Path, code: int, state: str) -> None:
    job = submit(tmp_path, snippet(), [f"print('hello'); raise SystemExit({code})"])
    ended = wait_for_state(job, "done", "refused", "failed", "stopped")
    assert (ended.state, ended.code) == (state, code)
    assert ended.log.read_text() == "hello\n"


def test_a_command_that_is_not_there_is_a_failed_job(tmp_path: Path) -> None:
    folder = write_job_folder(tmp_path, "20260101_120000_00_train", command=["/no/such/program"])
    subprocess.run([sys.executable, "-m", "tui.jobs.wrapper", str(folder)], check=False)
    job = read_job(folder)
    assert job
    assert job.state == "failed"
    assert "/no/such/program" in job.log.read_text()


def test_a_job_outlives_its_starter_and_is_found_again(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tests.dashboards import *; from tui.jobs.start import submit\n"
        f"job = submit(Path({str(tmp_path)!r}), snippet(), [SLEEPER]); wait_for_text(job, 'asleep')\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.run([sys.executable, "-c", code], check=False)
    assert starter.returncode == -signal.SIGKILL
    (job,) = list_jobs(tmp_path)
    assert job.state == "running"
    assert is_alive(job.child)
    assert end(job).state == "stopped"


def test_a_job_has_a_session_of_its_own(tmp_path: Path) -> None:
    job = begin(tmp_path)
    assert job.watcher
    assert os.getsid(job.watcher.pid) == job.watcher.pid != os.getsid(0)
    end(job)


def test_stopping_begins_with_sigint(tmp_path: Path) -> None:
    code = (
        "import time\ntry:\n  print('asleep', flush=True); time.sleep(600)\n"
        "except KeyboardInterrupt: print('saved'); raise SystemExit(130)"
    )
    job = begin(tmp_path, code)
    stop(job).join()
    ended = wait_for_state(job, "stopped")
    assert ended.code == 130
    assert "saved" in ended.log.read_text()


def test_who_ignores_signals_is_killed_with_all_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, signal\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], start_new_session=True)\n"
        f"print(child.pid, flush=True)\n{STUBBORN}"
    )
    job = begin(tmp_path, code, grace_s=0.2)
    child = mark_process(int(job.log.read_text().split()[0]))
    assert is_alive(child)
    stop(job).join()
    assert wait_for_state(job, "stopped").code == -signal.SIGKILL
    assert not is_alive(child)


def test_a_job_whose_watcher_was_killed_still_runs_and_can_be_stopped(tmp_path: Path) -> None:
    job = begin(tmp_path)
    assert job.watcher
    os.kill(job.watcher.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(job.watcher))
    orphan = read_job(job.folder)
    assert orphan
    assert orphan.state == "running"
    stop(orphan).join()
    assert wait_for_state(job, "stopped")
    assert not is_alive(job.child)


def test_a_stop_goes_on_when_who_asked_for_it_is_dead(tmp_path: Path) -> None:
    job = begin(tmp_path, STUBBORN, grace_s=0.5)
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tui.jobs.record import read_job; from tui.jobs.stop import stop\n"
        "stop(read_job(Path(sys.argv[1]))); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(job.folder)], check=False)
    ended = wait_for_state(job, "stopped")
    assert ended.code == -signal.SIGKILL
    assert not is_alive(ended.child)


def test_a_job_that_is_stopping_can_be_killed_at_once(tmp_path: Path) -> None:
    job = begin(tmp_path, STUBBORN, grace_s=600.0)
    stop(job)
    wait_for_state(job, "stopping")
    stop(job, at_once=True).join()
    assert wait_for_state(job, "stopped").code == -signal.SIGKILL


def test_a_watcher_that_hangs_keeps_nobody_from_stopping_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_stop, "LATE_S", 0.0)
    monkeypatch.setattr(jobs_stop, "AFTER_KILL_S", 0.5)
    job = begin(tmp_path)
    assert job.watcher
    os.kill(job.watcher.pid, signal.SIGSTOP)
    stop(job, at_once=True).join()
    assert not is_alive(job.child)
    os.kill(job.watcher.pid, signal.SIGCONT)
    wait_for_state(job, "stopped")


def test_a_killed_command_is_a_failed_job(tmp_path: Path) -> None:
    job = begin(tmp_path)
    assert job.child
    os.kill(job.child.pid, signal.SIGKILL)
    assert wait_for_state(job, "failed").code == -signal.SIGKILL


def test_a_reused_process_number_is_not_the_job(tmp_path: Path) -> None:
    folder = write_job_folder(tmp_path, "20260101_120000_00_train")
    other = ProcessMark(pid=os.getpid(), started="another time")
    (folder / "pid.json").write_text(other.model_dump_json())
    job = read_job(folder)
    assert job
    assert job.state == "lost"


def test_a_second_heavy_job_waits_and_then_starts(tmp_path: Path) -> None:
    first = begin(tmp_path, heavy=True)
    second = submit(tmp_path, snippet(heavy=True), ["print('my turn')"])
    assert second.state == "queued"
    assert start_next(tmp_path) is None
    end(first)
    started = start_next(tmp_path)
    assert started
    assert started.order.id == second.order.id
    wait_for_state(second, "done")
    wait_for_text(second, "my turn")


def test_a_light_job_does_not_wait(tmp_path: Path) -> None:
    first = begin(tmp_path, heavy=True)
    second = submit(tmp_path, snippet(), ["pass"])
    wait_for_state(second, "done")
    end(first)


@pytest.mark.parametrize("lease", [lambda outputs: gpu_lease("training"), line_lease])
def test_a_heavy_job_waits_for_what_another_terminal_runs(
    tmp_path: Path, lease: Callable[[Path], AbstractContextManager[None]]
) -> None:
    feed = JobsFeed(tmp_path)
    assert not feed.read().elsewhere
    with lease(tmp_path):
        assert feed.read().elsewhere
        job = submit(tmp_path, snippet(heavy=True), ["pass"])
        assert job.state == "queued"
        assert start_next(tmp_path) is None
    assert start_next(tmp_path)
    wait_for_state(job, "done")


def test_a_queue_whose_dashboard_died_is_held_until_somebody_decides(tmp_path: Path) -> None:
    dead = ProcessMark(pid=1, started="never").model_dump()
    kept = write_job_folder(tmp_path, "20260101_120000_00_train", queued_by=dead)
    unwanted = write_job_folder(tmp_path, "20260101_120001_00_train", queued_by=dead)
    jobs = {job.folder: job for job in list_jobs(tmp_path)}
    assert {job.state for job in jobs.values()} == {"held"}
    assert start_next(tmp_path) is None
    drop(jobs[unwanted])
    assert not unwanted.exists()
    release(jobs[kept])
    wait_for_state(jobs[kept], "done")
    with pytest.raises(UsageError):
        drop(jobs[kept])


def test_damaged_job_folders_are_passed_over(tmp_path: Path) -> None:
    folder = write_job_folder(tmp_path, "20260101_120000_00_train")
    (folder / "job.json").write_text("{")
    (tmp_path / "jobs" / "a-file").write_text("")
    assert list_jobs(tmp_path) == []
