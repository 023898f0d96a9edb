"""Writing artifacts: a reader sees all or nothing, leftovers vanish, a full disk is explained."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from web4mlx.artifacts import atomic_folder, atomic_write, explain_os_errors
from web4mlx.errors import MissingPrerequisite, StageCrashed
from web4mlx.machine.disk import require_free_disk


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; skips where it cannot be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip(f"NOT TESTED HERE (needs root on Linux): {' '.join(command)}")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"NOT TESTED HERE (mount refused): {' '.join(command)}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "size=64k") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "read_only", "ro,size=64k") as folder:
        yield folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_written_file_holds_the_new_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.txt"
    atomic_write(file, "old")
    atomic_write(file, "nëw")
    assert file.read_text("utf-8") == "nëw"
    assert names(file.parent) == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.txt"
    atomic_write(file, "old")
    monkeypatch.setattr(os, "fsync", fail_to_sync)
    with pytest.raises(StageCrashed, match="the disk is full"):
        atomic_write(file, "new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def fail_to_sync(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_explained_and_keeps_what_was_there(small_disk: Path) -> None:
    file = small_disk / "file.bin"
    atomic_write(file, b"a" * 10_000)
    with pytest.raises(StageCrashed) as caught:
        atomic_write(file, b"b" * 1_000_000)
    assert caught.value.message == f"cannot write {file}: the disk is full"
    assert "Free some space" in caught.value.hint
    assert file.read_bytes() == b"a" * 10_000
    assert names(small_disk) == ["file.bin"]


def test_a_folder_on_a_full_disk_vanishes_and_the_old_one_stays(small_disk: Path) -> None:
    folder = small_disk / "artifact"
    with atomic_folder(folder) as temporary:
        (temporary / "a").write_bytes(b"a" * 5_000)
    with pytest.raises(StageCrashed, match="the disk is full"), atomic_folder(folder) as temporary:
        (temporary / "b").write_bytes(b"b" * 1_000_000)
    assert names(small_disk) == ["artifact"]
    assert names(folder) == ["a"]


def test_a_full_disk_under_an_event_log_is_explained(small_disk: Path) -> None:
    from web4mlx.events import EventLog

    log = EventLog(small_disk / "log.jsonl", "run", "stage")
    with pytest.raises(StageCrashed, match="the disk is full"):
        log.warn("code", "x" * 1_000_000)


def test_a_read_only_file_system_is_explained(read_only: Path) -> None:
    with pytest.raises(StageCrashed, match="the file system is read-only"):
        atomic_write(read_only / "sub" / "file.txt", "x")
    with pytest.raises(StageCrashed, match="the file system is read-only"), atomic_folder(read_only / "a"):
        pass


def test_a_read_only_folder_is_no_place_for_outputs(read_only: Path) -> None:
    from web4mlx.config.load import why_not_writable

    assert why_not_writable(read_only / "outputs") in ("on a read-only file system", "not writable")


def test_a_file_in_place_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StageCrashed, match="a file stands where a folder must be"):
        atomic_write(tmp_path / "file" / "deeper" / "x", "x")


def test_a_folder_in_place_of_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StageCrashed, match="a folder stands in its place"):
        atomic_write(tmp_path / "taken", "x")
    assert names(tmp_path) == ["taken"]


def test_an_error_about_an_input_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    error = PermissionError(13, "Permission denied", "/somewhere/else/input.safetensors")
    with pytest.raises(PermissionError), explain_os_errors(tmp_path / "output"):
        raise error


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    with atomic_folder(folder) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "a").write_text("a")
        assert not folder.exists()
    assert (folder / "sub" / "a").read_text() == "a"
    assert names(tmp_path) == ["artifact"]


def test_a_folder_vanishes_when_its_work_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "artifact") as temporary:
            (temporary / "a").write_text("a")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert names(tmp_path) == []


def test_a_folder_replaces_the_one_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    for name in ("a", "b"):
        with atomic_folder(folder) as temporary:
            (temporary / name).write_text(name)
    assert names(folder) == ["b"]
    assert names(tmp_path) == ["artifact"]


def test_what_a_killed_process_left_is_cleared_up(tmp_path: Path) -> None:
    for kind in ("tmp", "old"):
        (tmp_path / f".artifact.{kind}-{dead_pid()}").mkdir()
    (tmp_path / "artifact").mkdir()
    with atomic_folder(tmp_path / "artifact"):
        pass
    assert names(tmp_path) == ["artifact"]


def test_a_folder_of_a_process_that_still_writes_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".artifact.tmp-{os.getppid()}"
    other.mkdir()
    with atomic_folder(tmp_path / "artifact"):
        pass
    assert names(tmp_path) == [other.name, "artifact"]


def test_a_folder_that_was_being_replaced_when_the_process_died_is_put_back(tmp_path: Path) -> None:
    old = tmp_path / f".artifact.old-{dead_pid()}"
    old.mkdir()
    (old / "a").write_text("a")

    def fail() -> None:
        with atomic_folder(tmp_path / "artifact"):
            raise ValueError("again")

    with pytest.raises(ValueError, match="again"):
        fail()
    assert (tmp_path / "artifact" / "a").read_text() == "a"


def test_work_that_would_fill_the_disk_does_not_start(tmp_path: Path) -> None:
    require_free_disk(tmp_path / "not" / "yet", 1, "nothing")
    with pytest.raises(MissingPrerequisite, match="the export needs 1000000000.00 GB of disk"):
        require_free_disk(tmp_path / "not" / "yet", 10**18, "the export")
