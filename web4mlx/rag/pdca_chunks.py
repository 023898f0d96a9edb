"""From PDCA texts to the timeline's rows, their relationships, and section chunks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from web4mlx.rag.chunking import TokenCounter, split_text
from web4mlx.rag.documents import PDCA, Chunk, Dangling, Pdca, Relationship, Scalar
from web4mlx.rag.links import resolve_links
from web4mlx.rag.pdca import SECTIONS, PdcaText, common_spellings, quality_score
from web4mlx.rag.stamps import fold_agent
from web4mlx.rag.walk import TextFile


def build_timeline(
    files: Sequence[TextFile], texts: Sequence[PdcaText], copies: Mapping[str, str]
) -> tuple[list[Pdca], list[Relationship], list[Dangling]]:
    """The rows of all documents, with agents in one spelling and scores that know the links."""
    links = {file.path: text.links for file, text in zip(files, texts, strict=True)}
    relationships, dangling = resolve_links(links, copies)
    has_next = {one.earlier for one in relationships}
    has_previous = {one.later for one in relationships}
    spellings = common_spellings([text.agent_name for text in texts])
    pdcas = []
    for file, text in zip(files, texts, strict=True):
        score = quality_score(
            text.cmm_level,
            has_all_sections=text.has_all_sections,
            has_both_links=file.path in has_next and file.path in has_previous,
        )
        agent = spellings.get(fold_agent(text.agent_name), text.agent_name)
        pdcas.append(replace(pdca_row(file, text), agent_name=agent, quality_score=score))
    return pdcas, relationships, dangling


def pdca_row(file: TextFile, text: PdcaText) -> Pdca:
    """What one document tells by itself."""
    return Pdca(
        id=file.path,
        agent_name=text.agent_name,
        agent_role=text.agent_role,
        date=text.moment.date,
        timestamp=text.moment.timestamp,
        session_id=text.fields.get("session_id", ""),
        branch=text.fields.get("branch", ""),
        sprint=text.fields.get("sprint", ""),
        cmm_level=text.cmm_level,
        task_type=text.fields.get("task_type", ""),
        objective=text.sections.get("objective", ""),
        verification_status=text.fields.get("verification_status", ""),
        title=text.title,
        tron_feedback=text.tron_feedback,
        content_sha256=file.sha256,
    )


def pdca_chunks(row: Pdca, text: PdcaText, counter: TokenCounter) -> Iterator[Chunk]:
    """The chunks of a document: one for each section, more for long ones; the whole when it has none."""
    parts = [(name, text.sections[name]) for name in SECTIONS if text.sections.get(name)]
    if {name for name, _ in parts} <= {"objective"}:
        whole = "\n".join(part for part in (text.sections.get("objective", ""), text.rest) if part)
        parts = [("full", whole)]
    elif text.rest:
        parts.append(("metadata", text.rest))
    index = 0
    for name, body in parts:
        title = row.title or row.id.rpartition("/")[2].removesuffix(".md")
        for piece, tokens in split_text(body, counter, f"{title}: {name}" if name != "full" else title):
            yield Chunk(PDCA, row.id, index, piece, tokens, chunk_metadata(row, f"pdca_{name}", index))
            index += 1


def chunk_metadata(row: Pdca, chunk_type: str, index: int) -> dict[str, Scalar]:
    """The metadata of a PDCA's chunk, without markers."""
    return {
        "chunk_type": chunk_type,
        "chunk_index": index,
        "pdca_id": row.id,
        "agent_name": row.agent_name,
        "agent_role": row.agent_role,
        "date": row.date,
        "timestamp": row.timestamp,
    }
