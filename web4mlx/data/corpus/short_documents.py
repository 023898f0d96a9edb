"""Short documents for the demo: PDCAs, TRON plans, patterns and reports, highly regular in form."""

from web4mlx.data.corpus.grammar import Dealer, Story, fill
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.stamps import Stamp, draw_stamp, quality_score

KINDS = {
    "create": "architectural decision", "debug": "debugging", "refactor": "architectural decision",
    "integrate": "integration", "collaborate": "collaboration",
}  # fmt: skip
PDCA = """\
PRECEDES: {precedes}
FOLLOWS: {follows}

## Objective
{task^} so that {gain}.

## Plan
- Trigger: It was noticed that {why}.
- Response: {how^}.
- Outcome: {gain^}.
- Next: {next_step^}.

## Do
- {did_first^}
- {did_then^}

## Check
- {checked^}
- {verified^}

## Act
- Learned: {lesson^}.
- {improved^}"""
TRON = """\
## Plan
- Trigger: {trigger^}.
- Response: {response^}.
- Outcome: {outcome^}.
- Next: {next^}."""
PATTERN = """\
Pattern: {lesson}.
Problem: {why^}.
Solution: {how^}.
Result: {gain^}, and {proof}."""
REPORT = """\
## Introduction
{report_intro^}

## Problem
{why^}.

## Plan
{how^}.

## Do
{did_first^}

## Check
{checked^}

## Act
{verified^}

## Lessons
{lesson^}."""


def draw_work(dealer: Dealer, kind: str | None = None) -> Story:
    """The story of a situation around a component, ready for `fill`."""
    kind = kind or dealer.deal("kinds", list(KINDS))
    return Story(dealer, dealer.words("situations", kind), dealer.subject().context, {"kind": KINDS[kind]})


def pdca(dealer: Dealer) -> Row:
    """A complete PDCA. Every second request names the session, whose day and agent the links carry on."""
    work = draw_work(dealer)
    is_named = dealer.deal("named", (True, False))
    stamp = draw_stamp(dealer, named=is_named)
    work.update(precedes=stamp.precedes, follows=stamp.follows)
    question = fill(_asked_for_pdca(dealer, work), work)
    return Row(
        question,
        f"Session: {stamp.pdca_id}" if is_named else "",
        fill(PDCA, work),
        "pdca",
        dated(stamp, cmm_level=3),
    )


def _asked_for_pdca(dealer: Dealer, work: Story) -> str:
    """How the PDCA is asked for; often in the frame of a guardrail's request, which must not decide."""
    if dealer.deal("pdca_framed", (True, True, False, False, False)):
        work.update(action=dealer.words("phrasings", "pdca_action"))
        return str(dealer.words("phrasings", "request"))
    return _framed(dealer, dealer.words("phrasings", "pdca"))


def _framed(dealer: Dealer, request: str) -> str:
    """The request with a sentence before it, with one after it, or as it is."""
    frame = dealer.deal("frame", ("lead", "tail", ""))
    if not frame:
        return request
    words = str(dealer.words("phrasings", frame))
    return f"{words} {request[:1].upper()}{request[1:]}" if frame == "lead" else f"{request} {words}"


def dated(stamp: Stamp, cmm_level: int) -> dict[str, object]:
    """Metadata of a complete PDCA."""
    return {**stamp.metadata, "quarter": stamp.quarter, "quality_score": quality_score(cmm_level)}


def decision(dealer: Dealer) -> Row:
    """A decision as a Plan in TRON form."""
    context = {**dealer.words("decisions"), **dealer.subject().context}
    question = fill(_framed(dealer, dealer.words("phrasings", "decision")), context)
    return Row(question, "", fill(TRON, context), "tron", {"category": "tron"})


def pattern(dealer: Dealer) -> Row:
    """A pattern distilled from a PDCA."""
    work = draw_work(dealer)
    stamp = draw_stamp(dealer, named=True)
    question = fill(dealer.words("phrasings", "pattern"), work)
    extra: dict[str, object] = {"pdca_id": stamp.pdca_id, "agent_name": stamp.agent}
    return Row(question, "", fill(PATTERN, work), work["kind"].replace(" ", "_"), extra)


def report(dealer: Dealer) -> Row:
    """A report by the reporting protocol."""
    stamp = draw_stamp(dealer, named=True)
    work = draw_work(dealer)
    work.update(agent_name=stamp.agent)
    question = fill(dealer.words("phrasings", "report"), work)
    return Row(question, f"Agent: {stamp.agent}", fill(REPORT, work), "report", stamp.metadata)
