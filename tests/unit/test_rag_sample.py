"""The generated source reproduces the published counts, byte for byte for the same seed."""

from pathlib import Path

import pytest

from tests.rag_sources import WordEmbedder
from web4mlx.config import find_config
from web4mlx.data.corpus import write_corpus
from web4mlx.data.samples import Sample, read_rows
from web4mlx.errors import UsageError
from web4mlx.events import EventLog
from web4mlx.rag.collect import collect
from web4mlx.rag.sample import sample_counts, write_sample
from web4mlx.rag.sample.write import documents
from web4mlx.rag.settings import load_settings

LOG = EventLog(None, "test", "rag")


def test_the_demo_holds_what_the_configuration_expects(tmp_path: Path) -> None:
    write_sample(tmp_path / "s", "demo", 7, LOG)
    settings = load_settings(find_config("rag"))
    corpus = collect(tmp_path / "s/repo", tmp_path / "s/tools", settings.source, WordEmbedder(window=256))
    for name, wanted in settings.expect["demo"].items():
        found = corpus.counts()[name]
        assert wanted.documents in (None, found["documents"]), name
        if wanted.chunks is not None:
            assert abs(found["chunks"] - wanted.chunks) <= wanted.tolerance * wanted.chunks
    assert not corpus.failures
    assert len({file.rule for file in corpus.files if file.collection == "pdca_historical"}) == 3
    assert len(corpus.relationships) > 50


def test_full_scale_has_the_published_counts() -> None:
    counts = sample_counts("full")
    assert counts == {
        "pdcas": 1157,
        "components": 5372,
        "process_docs": 238,
        "tool_core": 10_000,
        "tool_neg": 2000,
    }
    paths = [document.path for document in documents("full", 7)]
    assert len(paths) == len({path.casefold() for path in paths}) == 1157 + 5372 + 238


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (list(documents("demo", 3)) for _ in range(2))
    assert first == second
    assert first != list(documents("demo", 4))


def test_pdcas_of_a_training_file_stand_in_the_source_word_for_word(tmp_path: Path) -> None:
    write_corpus(tmp_path / "data", "demo", 7, LOG)
    trained = tmp_path / "data/domain_representatives.jsonl"
    write_sample(tmp_path / "s", "demo", 7, LOG, trained)
    settings = load_settings(find_config("rag"))
    corpus = collect(tmp_path / "s/repo", tmp_path / "s/tools", settings.source, WordEmbedder(window=256))
    wanted = settings.expect["demo"]["pdca_historical"]
    found = corpus.counts()["pdca_historical"]
    assert found["documents"] == wanted.documents
    assert wanted.chunks is not None
    assert abs(found["chunks"] - wanted.chunks) <= wanted.tolerance * wanted.chunks
    rows = [row for row in read_rows(trained) if isinstance(row, Sample)]
    answers = {f"{row.metadata['pdca_id']}.pdca.md": row.output for row in rows}
    names = [Path(pdca.id) for pdca in corpus.pdcas if Path(pdca.id).name in answers]
    assert len(names) == 15
    assert all((tmp_path / "s/repo" / one).read_text().strip() == answers[one.name] for one in names)


def test_nobodys_own_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/file.md").write_text("mine")
    with pytest.raises(UsageError, match="not written by `web4mlx rag sample`"):
        write_sample(tmp_path / "own", "demo", 7, LOG)
    write_sample(tmp_path / "s", "demo", 1, LOG)
    write_sample(tmp_path / "s", "demo", 2, LOG)
    assert (tmp_path / "own/file.md").read_text() == "mine"
