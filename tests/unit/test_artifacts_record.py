"""What is known of artifacts: digests and manifests tell the truth, and the newest whole one is found."""

import os
from pathlib import Path

import pytest

from web4mlx.artifacts import (
    Input,
    Manifest,
    describe_input,
    manifest_path,
    new_manifest,
    newest,
    read_manifest,
    sha256_bytes,
    sha256_file,
    write_manifest,
)
from web4mlx.errors import ExitCode, MissingPrerequisite


def big_file(folder: Path, fill: bytes) -> Path:
    file = folder / "big.bin"
    file.write_bytes(fill * (1 << 20))
    return file


def test_the_digest_of_a_big_file_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = big_file(tmp_path, b"a")
    digest = sha256_file(file)
    assert digest == sha256_bytes(file.read_bytes())
    monkeypatch.setattr("web4mlx.artifacts.hashlib.file_digest", None)
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
