"""Artifacts: a reader sees all or nothing, leftovers vanish, digests and manifests tell the truth."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from web4mlx import artifacts
from web4mlx.artifacts import (
    Input,
    Manifest,
    atomic_folder,
    atomic_write,
    describe_input,
    explain_os_errors,
    manifest_path,
    new_manifest,
    newest,
    read_manifest,
    require_free_disk,
    sha256_bytes,
    sha256_file,
    write_manifest,
)
from web4mlx.errors import ExitCode, MissingPrerequisite, StageCrashed


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


def big_file(folder: Path, fill: bytes) -> Path:
    file = folder / "big.bin"
    file.write_bytes(fill * (1 << 20))
    return file


def test_the_digest_of_a_big_file_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = big_file(tmp_path, b"a")
    digest = sha256_file(file)
    assert digest == sha256_bytes(file.read_bytes())
    monkeypatch.setattr(artifacts.hashlib, "file_digest", None)
    assert sha256_file(file) == digest


@pytest.mark.parametrize("change", ["content and time", "size"])
def test_a_changed_file_has_a_new_digest(tmp_path: Path, change: str) -> None:
    file = big_file(tmp_path, b"a")
    before, stat = sha256_file(file), file.stat()
    file.write_bytes(b"b" * (1 << 20) if change == "content and time" else b"a" * ((1 << 20) + 1))
    if change == "size":
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert sha256_file(file) == sha256_bytes(file.read_bytes()) != before


def test_a_small_file_changed_within_the_same_instant_has_a_new_digest(tmp_path: Path) -> None:
    file = tmp_path / "small"
    file.write_text("a")
    before, stat = sha256_file(file), file.stat()
    file.write_text("b")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256_file(file) != before


def test_a_digest_needs_no_writable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEB4MLX_CACHE", str(tmp_path / "file" / "cache"))
    file = big_file(tmp_path, b"a")
    assert sha256_file(file) == sha256_bytes(file.read_bytes())


def test_the_digest_of_a_file_that_is_not_there_is_a_missing_prerequisite(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="no such file"):
        sha256_file(tmp_path / "none")


def test_a_folder_as_input_is_its_files_without_manifest_and_hidden_ones(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = describe_input(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / ".hidden").write_text("")
    assert describe_input(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert describe_input(tmp_path).sha256 != before.sha256


def artifact(folder: Path, name: str, created: str, stage: str = "fuse") -> Path:
    path = folder / name
    path.mkdir()
    write_manifest(path, Manifest(stage=stage, created=created))
    return path


def test_a_manifest_reads_back_and_records_the_versions(tmp_path: Path) -> None:
    manifest = new_manifest("fuse", seeds={"order": 1}, metrics={"loss": 0.5})
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert {"web4mlx", "mlx", "numpy"} <= manifest.versions.keys()


def test_a_manifest_stands_inside_a_folder_and_beside_a_file(tmp_path: Path) -> None:
    assert manifest_path(tmp_path) == tmp_path / "manifest.json"
    assert manifest_path(tmp_path / "a.gguf") == tmp_path / "a.manifest.json"


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"stage": "fuse"}'])
def test_an_unreadable_manifest_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    assert read_manifest(tmp_path) is None


def test_the_same_work_is_equal_content_and_configuration_wherever_the_inputs_are() -> None:
    manifest = Manifest(
        stage="fuse", created="", inputs={"base": Input(path="a", sha256="1")}, config={"x": 1, "y": [2]}
    )
    assert manifest.is_same_work({"base": Input(path="b", sha256="1")}, {"y": [2], "x": 1})
    assert not manifest.is_same_work({"base": Input(path="a", sha256="2")}, {"x": 1, "y": [2]})
    assert not manifest.is_same_work({"base": Input(path="a", sha256="1")}, {"x": 1})
    assert not manifest.is_same_work({}, {"x": 1, "y": [2]})


def test_the_newest_artifact_is_the_newest_whole_one_of_its_stage(tmp_path: Path) -> None:
    artifact(tmp_path, "merged_1", "2026-01-01T00:00:00+00:00")
    wanted = artifact(tmp_path, "merged_0", "2026-01-02T00:00:00+00:00")
    artifact(tmp_path, "merged_2", "2026-01-03T00:00:00+00:00", stage="train")
    (tmp_path / "merged_3").mkdir()
    (artifact(tmp_path, "merged_4", "2026-01-04T00:00:00+00:00") / "manifest.json").write_text("{")
    assert newest(tmp_path, "merged_*", "fuse") == wanted


def test_of_a_file_and_its_manifest_the_file_is_the_artifact(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_text("")
    write_manifest(tmp_path / "a.gguf", new_manifest("export"))
    assert newest(tmp_path, "a*", "export") == tmp_path / "a.gguf"


def test_no_artifact_says_what_is_missing_and_where(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite) as caught:
        newest(tmp_path, "web4_merged_*", "fuse")
    assert caught.value.message == f"no finished fuse artifact (web4_merged_*) in {tmp_path}"
    assert caught.value.exit_code == ExitCode.MISSING_PREREQUISITE


def test_work_that_would_fill_the_disk_does_not_start(tmp_path: Path) -> None:
    require_free_disk(tmp_path / "not" / "yet", 1, "nothing")
    with pytest.raises(MissingPrerequisite, match="the export needs 1000000000.00 GB of disk"):
        require_free_disk(tmp_path / "not" / "yet", 10**18, "the export")
