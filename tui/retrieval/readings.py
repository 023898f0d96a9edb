"""What one reading of the RAG screen holds."""

from dataclasses import dataclass

from tui.feed.reader import Problem
from tui.jobs.record import Job
from tui.retrieval.documents import Document
from tui.retrieval.facts import StoreFacts
from tui.retrieval.reports import Checked
from web4mlx.rag.settings import RagSettings


@dataclass(frozen=True)
class RagReadings:
    """The store, its newest check, what is done to it now, and the document that is looked at."""

    facts: StoreFacts | None
    checked: Checked
    settings: RagSettings
    busy: Job | None = None
    last_line: str = ""
    document: Document | None = None
    problem: Problem | None = None
