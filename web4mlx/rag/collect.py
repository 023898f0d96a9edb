"""Reads a whole source into memory: files, tool examples and topics become chunks, rows and relationships."""

from collections.abc import Iterator
from pathlib import Path

from web4mlx.rag.chunking import TokenCounter, split_text
from web4mlx.rag.components import read_component
from web4mlx.rag.documents import (
    COMPONENTS,
    PDCA,
    PROCESS,
    TOOLS,
    TOPICS,
    Chunk,
    Corpus,
    Failure,
    Scalar,
    SourceFile,
)
from web4mlx.rag.embedder import Report
from web4mlx.rag.markdown import read_markdown
from web4mlx.rag.pdca import read_pdca
from web4mlx.rag.pdca_chunks import build_timeline, pdca_chunks
from web4mlx.rag.settings import SourceRules
from web4mlx.rag.tool_examples import read_tool_examples
from web4mlx.rag.topics import read_topics
from web4mlx.rag.walk import TextFile, walk_source


def collect(
    root: Path, tools: Path | None, rules: SourceRules, counter: TokenCounter, progress: Report | None = None
) -> Corpus:
    """Read a source.

    Args:
        root: The repository.
        tools: Folder with `tool_core.jsonl` and `tool_neg.jsonl`; None for no tool examples.
        rules: Which file belongs where.
        counter: Counts tokens as the embedder does.
        progress: Gets files done and in total (0: unknown).

    Raises:
        MissingPrerequisite: A folder is missing.
        UsageError: The source is no folder.
    """
    corpus = Corpus()
    files, copies = read_files(root, rules, corpus)
    pdca_files = [file for file in files if file.collection == PDCA]
    texts = [read_pdca(file.path.rpartition("/")[2], file.text) for file in pdca_files]
    corpus.pdcas, corpus.relationships, corpus.dangling = build_timeline(pdca_files, texts, copies)
    for row, text in zip(corpus.pdcas, texts, strict=True):
        corpus.chunks += pdca_chunks(row, text, counter)
    others = [file for file in files if file.collection != PDCA]
    for number, file in enumerate(others, 1):
        make = component_chunks if file.collection == COMPONENTS else process_chunks
        corpus.chunks += make(file, counter)
        if progress is not None and (number % 200 == 0 or number == len(others)):
            progress(len(pdca_files) + number, len(files))
    corpus.chunks += topic_chunks(counter)
    if tools is not None:
        corpus.chunks += tool_chunks(tools, counter, corpus)
    return corpus


def read_files(root: Path, rules: SourceRules, corpus: Corpus) -> tuple[list[TextFile], dict[str, str]]:
    """The files that are no copies of others, and the copies with what they equal; notes go to the corpus."""
    files: list[TextFile] = []
    first_of: dict[tuple[str, str], str] = {}
    copies: dict[str, str] = {}
    for found in walk_source(root, rules):
        if isinstance(found, Failure):
            corpus.failures.append(found)
            continue
        if found.note:
            corpus.warnings.append(Failure(found.path, found.note))
        original = first_of.setdefault((found.collection, found.sha256), found.path)
        if original != found.path:
            copies[found.path] = original
        else:
            files.append(found)
        corpus.files.append(
            SourceFile(found.path, found.collection, found.rule, found.sha256, copies.get(found.path, ""))
        )
    return files, copies


def component_chunks(file: TextFile, counter: TokenCounter) -> Iterator[Chunk]:
    """A TypeScript file under a title that names its path and its classes."""
    component = read_component(file.path, file.text)
    metadata: dict[str, Scalar] = {
        "file_path": file.path,
        "layer": component.layer,
        "patterns": ",".join(component.patterns),
        "file_type": component.file_type,
        "class_names": ",".join(component.names[:20]),
        "constructor": component.constructor,
    }
    for index, (piece, tokens) in enumerate(split_text(file.text, counter, file.path)):
        yield Chunk(COMPONENTS, file.path, index, piece, tokens, metadata | {"chunk_index": index})


def process_chunks(file: TextFile, counter: TokenCounter) -> Iterator[Chunk]:
    """A process document, section by section where it has headings of level 2."""
    reading = read_markdown(file.text)
    name = file.path.rpartition("/")[2].removesuffix(".md")
    title = next((heading.title for heading in reading.headings if heading.level == 1), name)
    starts = [heading for heading in reading.headings if heading.level == 2]
    bounds = [0, *(heading.start for heading in starts), len(reading.lines)]
    sections = ["", *(heading.title for heading in starts)]
    pieces: list[tuple[str, str, int]] = []
    for section, start, end in zip(sections, bounds, bounds[1:], strict=False):
        body = "\n".join(reading.lines[start:end])
        for piece, tokens in split_text(body, counter, f"{title}: {section}" if section else title):
            pieces.append((section, piece, tokens))
    for index, (section, piece, tokens) in enumerate(pieces):
        metadata: dict[str, Scalar] = {"file_path": file.path, "section": section, "chunk_index": index}
        yield Chunk(PROCESS, file.path, index, piece, tokens, metadata)


def topic_chunks(counter: TokenCounter) -> Iterator[Chunk]:
    """The topics of the process framework."""
    for topic in read_topics():
        for index, (piece, tokens) in enumerate(split_text(topic.text, counter, topic.title)):
            metadata: dict[str, Scalar] = {"topic": topic.id, "title": topic.title, "chunk_index": index}
            yield Chunk(TOPICS, f"topics/{topic.id}", index, piece, tokens, metadata)


def tool_chunks(folder: Path, counter: TokenCounter, corpus: Corpus) -> Iterator[Chunk]:
    """The tool examples of a folder; equal ones once, bad lines to the corpus's failures."""
    seen: dict[tuple[str, str], str] = {}
    for found in read_tool_examples(folder):
        if isinstance(found, Failure):
            corpus.failures.append(found)
            continue
        key = (found.text, str(found.metadata["tool_ecosystem"]))
        if seen.setdefault(key, found.path) != found.path:
            corpus.warnings.append(Failure(found.path, f"equal to {seen[key]}: left out"))
            continue
        for index, (piece, tokens) in enumerate(split_text(found.text, counter)):
            yield Chunk(
                TOOLS, found.path, index, piece, tokens, dict(found.metadata) | {"chunk_index": index}
            )
