"""A source is walked without leaving it, and a bad file never stops the walk."""

from pathlib import Path

import pytest

from tests.rag_sources import OLD, RULES, WordEmbedder, write_files, write_tools
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.rag.collect import collect
from web4mlx.rag.documents import Corpus, Failure
from web4mlx.rag.settings import SourceRules
from web4mlx.rag.walk import TextFile, walk_source


def read(root: Path, rules: SourceRules = RULES) -> tuple[dict[str, TextFile], dict[str, str]]:
    """Files by path, and reasons of failures by path."""
    found = list(walk_source(root, rules))
    files = {one.path: one for one in found if isinstance(one, TextFile)}
    return files, {one.path: one.reason for one in found if isinstance(one, Failure)}


def gather(root: Path, tools: Path | None = None) -> Corpus:
    """The corpus of a source."""
    return collect(root, tools, RULES, WordEmbedder())


def test_each_rule_brings_its_files(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"notes/x.md": OLD, "PDCA/Y.MD": "text", "a.pdca.md": "text", "docs/g.md": "# G\ntext"}
    )
    write_files(
        tmp_path, {"b.tsx": "export {}", "node_modules/c.ts": "x", "other.md": "# x", "data.bin": "x"}
    )
    files, failures = read(tmp_path, SourceRules(process_docs=("*/docs/*.md",), ignore=("*/node_modules/*",)))
    assert {path: file.rule for path, file in files.items()} == {
        "notes/x.md": "by content",
        "PDCA/Y.MD": "*/pdca/*.md",
        "a.pdca.md": "*.pdca.md",
        "docs/g.md": "*/docs/*.md",
        "b.tsx": "*.tsx",
    }
    assert failures == {}


def test_symbolic_links_never_lead_out(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"pdca/secret.md": OLD})
    root = write_files(tmp_path / "root", {"pdca/a.md": OLD})
    (root / "pdca/out.md").symlink_to(outside / "pdca/secret.md")
    (root / "pdca/folder").symlink_to(outside)
    (root / "pdca/gone.md").symlink_to(root / "nothing.md")
    (root / "pdca/inside.md").symlink_to(root / "pdca/a.md")
    (root / "pdca/loop").symlink_to(root)
    (root / "pdca/itself.md").symlink_to(root / "pdca/itself.md")
    files, failures = read(root)
    assert list(files) == ["pdca/a.md"]
    assert set(failures) == {"pdca/out.md", "pdca/folder", "pdca/gone.md", "pdca/itself.md"}


def test_odd_files_are_listed_or_read_with_a_note(tmp_path: Path) -> None:
    write_files(tmp_path, {"pdca/big.md": "x" * 5_000_000, "pdca/empty.md": " \n"})
    (tmp_path / "pdca/latin.md").write_bytes("# PDCA Über\n## Plan\ngrün".encode("latin-1"))
    (tmp_path / "pdca/binary.md").write_bytes(b"PK\x00\x01")
    (tmp_path / "src.ts").write_text("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n")
    files, failures = read(tmp_path)
    assert failures == {
        "pdca/big.md": "5.0 MB, more than 2 MB (source.max_file_bytes)",
        "pdca/empty.md": "empty",
        "pdca/binary.md": "binary, not text",
    }
    assert "grün" in files["pdca/latin.md"].text
    assert files["pdca/latin.md"].note == "not UTF-8: read as Latin-1"
    assert files["src.ts"].note == "conflict markers"


def test_a_file_of_five_megabytes_is_cut_whole_where_the_limit_allows_it(tmp_path: Path) -> None:
    line = "We measured the importer again and wrote down what it said.\n"
    text = "# PDCA\n\n| Agent | Ada |\n|---|---|\n\n## Plan\n" + line * (5_000_000 // len(line))
    write_files(tmp_path, {"pdca/big.md": text, "pdca/small.md": OLD})
    rules, embedder = SourceRules(max_file_bytes=6_000_000), WordEmbedder()
    corpus = collect(tmp_path, None, rules, embedder)
    pieces = [chunk for chunk in corpus.chunks if chunk.path == "pdca/big.md"]
    assert corpus.failures == []
    assert {pdca.id: pdca.agent_name for pdca in corpus.pdcas}["pdca/big.md"] == "Ada"
    assert max(chunk.tokens for chunk in pieces) <= embedder.window
    assert sum(chunk.text.count("importer again") for chunk in pieces) == text.count("importer again")


def test_copies_are_indexed_once_and_still_lead_to_their_original(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {"pdca/a.md": OLD, "backup/pdca/a.md": OLD, "pdca/z.md": "# PDCA\nFOLLOWS: [../pdca/a.md]\n"},
    )
    write_files(tmp_path, {"pdca/y.md": "# PDCA\n**Previous PDCA:** [x](a.md)\n## Plan\nx"})
    corpus = gather(tmp_path)
    assert [(file.path, file.copy_of) for file in corpus.files if file.copy_of] == [
        ("pdca/a.md", "backup/pdca/a.md")
    ]
    assert ("backup/pdca/a.md", "pdca/y.md") in {(one.earlier, one.later) for one in corpus.relationships}
    assert len([one for one in corpus.pdcas if one.agent_name == "SaveRestartAgent"]) == 1


def test_the_small_source_becomes_what_it_says(tmp_path: Path) -> None:
    corpus = gather(write_files(tmp_path / "repo"), write_tools(tmp_path / "tools"))
    assert {name: count["documents"] for name, count in corpus.counts().items()} == {
        "pdca_historical": 3,
        "components": 1,
        "process_docs": 1,
        "tool_examples": 6,
        "process_framework": 20,
    }
    agents = {pdca.id: pdca.agent_name for pdca in corpus.pdcas}
    assert agents["pdca/2025-10-26-UTC-2415-start.md"] == agents["pdca/2025-10-27-UTC-1415-version.md"]
    assert [one.tron_feedback for one in corpus.pdcas if one.tron_feedback] == [
        "please never guess\na version number"
    ]
    assert len(corpus.relationships) == 2
    assert {type(value) for chunk in corpus.chunks for value in chunk.metadata.values()} <= {str, int, bool}
    assert len({chunk.id for chunk in corpus.chunks}) == len(corpus.chunks)


def test_a_document_without_sections_is_kept_whole(tmp_path: Path) -> None:
    corpus = gather(write_files(tmp_path, {"pdca/free.md": "# A PDCA in free form\n\nWe just wrote.\n"}))
    chunk = next(one for one in corpus.chunks if one.collection == "pdca_historical")
    assert chunk.metadata["chunk_type"] == "pdca_full"
    assert "We just wrote." in chunk.text


def test_bad_tool_examples_name_their_line(tmp_path: Path) -> None:
    tools = write_tools(tmp_path / "tools")
    with (tools / "tool_core.jsonl").open("a") as file:
        file.write(
            '{"instruction": 1}\nnot json\n{"instruction": "x", "input": "", "output": "", "metadata": {}}\n'
        )
    reasons = {one.path: one.reason for one in gather(write_files(tmp_path / "repo"), tools).failures}
    assert list(reasons) == ["tool_core.jsonl:7", "tool_core.jsonl:8", "tool_core.jsonl:9"]
    assert "metadata.tool_name" in reasons["tool_core.jsonl:9"]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="nowhere: no such folder"):
        gather(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a folder"):
        gather(tmp_path / "file")
    with pytest.raises(MissingPrerequisite, match="neither tool_core.jsonl"):
        gather(tmp_path, tmp_path)
