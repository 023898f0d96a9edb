"""The real program: in tmux, with a real training run; as a recording; in a browser; without orphans."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.dashboards import drive, place_in, record_run, wait_for, wait_until
from tests.training_project import write_project
from tui.feed.replay import Replay
from tui.jobs.record import list_jobs
from tui.jobs.stop import stop
from web4mlx.errors import MissingPrerequisite

PROGRAM = [sys.executable, "-m", "web4mlx", "tui"]
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="NOT TESTED HERE: tmux is not installed")


class Terminal:
    """A terminal in tmux with one program in it."""

    def __init__(self, folder: Path, command: list[str], size: tuple[int, int] = (120, 40)) -> None:
        name = f"tmux{len(list(folder.glob('tmux*')))}"  # its own server: one that ends takes no new session
        self.tmux = ["tmux", "-S", str(folder / name), "-f", "/dev/null"]
        width, height = map(str, size)
        self.run("new-session", "-d", "-x", width, "-y", height, *command)
        self.run("set-option", "remain-on-exit", "on")

    def run(self, *arguments: str) -> str:
        """Run a tmux command; returns what it prints."""
        done = subprocess.run([*self.tmux, *arguments], capture_output=True, text=True, check=False)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys."""
        self.run("send-keys", *keys)

    def text(self) -> str:
        """What stands there."""
        return self.run("capture-pane", "-p")

    def wait(self, *texts: str) -> str:
        """Wait until all of some texts stand there."""
        return str(
            wait_until(lambda: (now := self.text()) and all(text in now for text in texts) and now, texts[0])
        )

    def wait_for_end(self) -> None:
        """Wait until the program has left the terminal."""
        wait_until(lambda: self.run("display-message", "-p", "#{pane_dead}").strip() == "1", "the end")

    def close(self) -> None:
        """Close the terminal, as a user closes the window."""
        self.run("kill-server")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose training takes a while; every process in it is ended afterwards."""
    write_project(tmp_path, samples=200, epochs=100, save_steps=500, eval_steps=500)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for job in list_jobs(tmp_path / "outputs"):
        if job.is_alive:
            stop(job, at_once=True).join()


def trainers(folder: Path) -> list[psutil.Process]:
    """Processes that work for a project."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and _works_in(process, folder)
    ]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        mine = process.cwd() == str(folder)
    except psutil.Error:
        return False
    return mine and any(
        word in ("web4mlx", "web4mlx.train.worker", "tui", "tui.jobs.wrapper")
        for word in process.info["cmdline"] or ()
    )


@needs_tmux
def test_training_survives_every_way_to_leave_and_stops_without_an_orphan(project: Path) -> None:
    command = [*PROGRAM, "--config", "config.toml"]
    terminal = Terminal(project, command)
    terminal.wait("Pipeline", "not yet")
    terminal.press("2", "s")
    terminal.wait("Start a new training run?")
    terminal.press("Down", "Enter")
    terminal.wait("● running train", " of ", "tok/s")
    terminal.press("q")
    terminal.wait("Jobs are running. Leave?")
    terminal.press("Enter")
    terminal.wait_for_end()
    terminal.close()
    (job,) = list_jobs(project / "outputs")
    assert job.state == "running"

    terminal = Terminal(project, command)
    terminal.wait("● running train")
    (dashboard,) = [
        process for process in trainers(project) if process.info["cmdline"][-4:-2] == ["-m", "tui"]
    ]
    dashboard.send_signal(signal.SIGKILL)
    terminal.close()
    assert list_jobs(project / "outputs")[0].state == "running"

    terminal = Terminal(project, [*command, "--screen", "training"])
    terminal.wait("● running train", "epoch")
    terminal.press("p")
    terminal.wait("■ stopped", "✓ step")
    terminal.wait("no job runs")
    terminal.press("q")
    terminal.wait_for_end()
    terminal.close()
    assert list_jobs(project / "outputs")[0].code == 130
    wait_until(lambda: not trainers(project), "the end of every process")
    assert list((project / "outputs").glob("tiny_lora_*/checkpoints/step_*"))


@needs_tmux
def test_it_works_without_colours_in_a_small_terminal(project: Path) -> None:
    record_run(project / "outputs", end="failed")
    plain = ["env", "NO_COLOR=1", "TERM=screen", *PROGRAM, "-c", "config.toml", "--screen", "training"]
    terminal = Terminal(project, plain, (80, 24))
    terminal.wait("✗ failed", "✗ the disk is full", "Free some space")
    terminal.press("q")
    terminal.wait_for_end()
    terminal.close()


def test_a_recording_is_played_with_new_times(tmp_path: Path) -> None:
    recorded = record_run(tmp_path / "old", steps=10)
    place = place_in(tmp_path, replayed=recorded.name)
    played = Replay(recorded, place.outputs, speed=1000.0)
    started = time.time()
    played.start()

    async def steps(pilot: object) -> None:
        await wait_for(pilot, recorded.name, "10 of 100", "✓ finished")  # type: ignore[arg-type]

    drive(place, steps, first="training")
    played.close()
    from web4mlx.events import read_events

    events = [event for event, _ in read_events(played.target)]
    assert len(events) == 15
    assert all(event.ts >= started - 1 for event in events)


def test_there_is_an_error_where_nothing_can_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="nothing to replay"):
        Replay(tmp_path, tmp_path)
    done = subprocess.run([*PROGRAM, "--replay", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "nothing to replay" in done.stderr


def test_wrong_names_end_it_with_a_hint(tmp_path: Path) -> None:
    for arguments, code in ((["--config", "nowhere"], 3), (["--screen", "nowhere"], 2)):
        done = subprocess.run(
            [*PROGRAM, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == code
        assert "hint: " in done.stderr


def test_the_browser_gets_it_on_this_machine_only(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*PROGRAM, "--serve", "--port", str(port)], stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        page = wait_until(lambda: _get(f"http://127.0.0.1:{port}"), "the page")
        assert "textual" in page
        listening = {
            place.laddr.ip
            for place in psutil.Process(server.pid).net_connections()
            if place.status == "LISTEN"
        }
        assert listening == {"127.0.0.1"}
        second = subprocess.run(
            [*PROGRAM, "--serve", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert second.returncode == 3
        assert "--port" in second.stderr
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _get(address: str) -> str:
    try:
        with urllib.request.urlopen(address) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_without_a_terminal_it_prints_json_only(tmp_path: Path) -> None:
    import json

    write_project(tmp_path)
    command = [*PROGRAM, "--config", "config.toml"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert "needs a terminal" in refused.stderr
    record_run(tmp_path / "outputs")
    printed = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, cwd=tmp_path)
    summary = json.loads(printed.stdout)
    assert [row["name"] for row in summary["stages"]][:4] == ["download", "data", "baseline", "train"]
    assert summary["next"]["kind"] == "run"
