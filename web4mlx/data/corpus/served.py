"""Requests in the form in which the assistant sends them: tool examples or documents before the question.

A model that has only seen bare questions copies names out of the block. These rows show what counts: the task
after the examples, and the document that is about the question.
"""

from web4mlx.data.corpus.grammar import Dealer, Story, fill
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.short_answers import tool_call
from web4mlx.data.corpus.short_documents import draw_work
from web4mlx.data.corpus.stamps import draw_stamp
from web4mlx.quoting import CONTEXT, DOCUMENT, EXAMPLE, TOOLS, block, piece

RECORD = "## Plan\n- Trigger: {why^}.\n- Response: {how^}.\n- Outcome: {gain^}."
ANSWER = "{how^}. So {gain} [{number}]."
# What a task for a tool may go on with; the call is the same.
AFTERWARDS = ("", "", " and check its imports", " and look for missing tests", " and tell me what it does")


def tool_call_after_examples(dealer: Dealer) -> Row:
    """A task for a tool behind two or three examples of other tasks; the call is the task's own."""
    shown = [tool_call(dealer) for _ in range(dealer.deal("examples", (2, 3, 3)))]
    texts = [f"{row.instruction}\n{row.output}" for row in shown]
    names = [f"tool_core.jsonl#tool_core_{dealer.random.randrange(1, 400):05d}" for _ in texts]
    asked = tool_call(dealer)
    question = asked.instruction
    if question.endswith("."):
        question = f"{question[:-1]}{dealer.deal('afterwards', AFTERWARDS)}."
    return Row(_behind(TOOLS, EXAMPLE, names, texts, question), "", asked.output, "tool_call", asked.extra)


def history(dealer: Dealer) -> Row:
    """A question about earlier work behind two documents; the answer rests on one of them and cites it."""
    works = [draw_work(dealer) for _ in range(2)]
    right = dealer.deal("right", (0, 1))
    question = fill(dealer.words("phrasings", "history"), works[right])
    names = [f"{draw_stamp(dealer, named=True).pdca_id} § plan" for _ in works]
    text = _behind(CONTEXT, DOCUMENT, names, [fill(RECORD, work) for work in works], question)
    answer = fill(ANSWER, Story(dealer, works[right], {"number": str(right + 1)}))
    return Row(text, "", answer, "history", {"category": "history"})


def _behind(tag: str, inner: str, names: list[str], texts: list[str], question: str) -> str:
    pieces = [
        piece(inner, number, name, text)
        for number, (name, text) in enumerate(zip(names, texts, strict=True), 1)
    ]
    return f"{block(tag, pieces)}\n\n{question}"
