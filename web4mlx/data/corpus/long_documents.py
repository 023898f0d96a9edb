"""Documents of the full corpus: PDCAs, patterns, reports, decisions, lessons, CMM levels and link chains."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from web4mlx.data.corpus.grammar import Dealer, Story, fill
from web4mlx.data.corpus.rows import Row
from web4mlx.data.corpus.short_documents import KINDS, dated, draw_work
from web4mlx.data.corpus.stamps import Stamp, draw_stamp
from web4mlx.data.corpus.words import read_list


def layout(name: str) -> str:
    """The layout of a kind of long document from layouts.toml."""
    text: str = read_list("layouts")[name]
    return text.strip("\n")


def facts(stamp: Stamp) -> dict[str, str]:
    """What a stamp contributes to a document."""
    name, _, role = stamp.agent.partition(".")
    return {
        "agent_name": name,
        "agent_role": role,
        "date": f"{stamp.written:%Y-%m-%d %H:%M} UTC",
        "precedes": stamp.precedes,
        "follows": stamp.follows,
        "sprint": f"{stamp.written:%Y}-{stamp.written.isocalendar().week // 2 + 1:02d}",
    }


def tell(dealer: Dealer, asked: str, written: str, *known: Mapping[str, str]) -> tuple[str, str, str]:
    """Request, its details and the document: a phrasing, the layout's preface and the layout itself."""
    story = Story(dealer, *known)
    question = fill(dealer.words("phrasings", asked), story)
    return question, fill(dealer.sentence("preface"), story), fill(layout(written), story)


def pdca(dealer: Dealer) -> Row:
    """A complete PDCA of 700 to 900 tokens."""
    stamp = draw_stamp(dealer, named=True, exact=True)
    cmm_level = dealer.deal("cmm_level", (3, 3, 4))
    known = facts(stamp) | {"cmm_level": str(cmm_level)}
    question, details, text = tell(dealer, "pdca", "pdca", draw_work(dealer), known)
    return Row(question, f"Session: {stamp.pdca_id}\n{details}", text, "pdca", dated(stamp, cmm_level))


def pattern(dealer: Dealer, kinds: tuple[str, ...]) -> Row:
    """A pattern of 400 to 600 tokens, distilled from a PDCA of one of these kinds of work."""
    stamp = draw_stamp(dealer, named=True, exact=True)
    kind = dealer.deal(f"kinds/{kinds}", kinds)
    question, details, text = tell(dealer, "pattern", "pattern", draw_work(dealer, kind), facts(stamp))
    extra: dict[str, object] = {"pdca_id": stamp.pdca_id, "agent_name": stamp.agent}
    return Row(question, details, text, KINDS[kind].replace(" ", "_"), extra)


def report(dealer: Dealer) -> Row:
    """A report in seven sections."""
    stamp = draw_stamp(dealer, named=True, exact=True)
    question, details, text = tell(dealer, "report", "report", draw_work(dealer), facts(stamp))
    return Row(question, f"Agent: {stamp.agent}\n{details}", text, "report", stamp.metadata)


def framework(dealer: Dealer, asked: str) -> Row:
    """PDCA structure or key lessons, explained with a piece of work."""
    question, details, text = tell(
        dealer, asked, asked, draw_work(dealer), facts(draw_stamp(dealer, named=True))
    )
    category = {"structure": "pdca_structure", "lessons": "key_lessons"}[asked]
    return Row(question, details, text, category, {"category": category})


structure = partial(framework, asked="structure")
lessons = partial(framework, asked="lessons")


def decision(dealer: Dealer) -> Row:
    """A decision in TRON form with its reasons and risks."""
    known = {**dealer.words("decisions"), **dealer.subject().context}
    question, details, text = tell(dealer, "decision", "tron", known)
    return Row(question, details, text, "tron", {"category": "tron"})


def cmm(dealer: Dealer) -> Row:
    """A practice, its CMM level and the way to the next level."""
    level = dealer.deal("level", (1, 2, 3, 4, 5))
    story = Story(dealer, dealer.subject().context)
    story.update({key: story[f"{key}_{level}"] for key in ("practice", "raise", "name")}, level=str(level))
    question, details, text = tell(dealer, "cmm", "cmm", story)
    return Row(question, details, text, "cmm", {"category": "cmm"})


def link_chain(dealer: Dealer) -> Row:
    """Documents in mixed order, and the dual links that connect them."""
    stamp = draw_stamp(dealer, named=True, exact=True)
    story = Story(dealer, dealer.subject().context)
    times = [stamp.written]
    for _ in range(dealer.random.randrange(2, 5)):
        times.append(times[-1] + timedelta(seconds=dealer.random.randrange(1800, 200_000)))
    names = [f"[{time:%Y%m%d-%H%M%S}-{dealer.words('agents')}.pdca.md]" for time in times]
    subjects = [fill("{link_subject}", story) for _ in names]
    listed = dealer.random.sample(list(zip(names, subjects, strict=True)), len(names))
    lines = []
    for index, name in enumerate(names):
        after = names[index + 1] if index + 1 < len(names) else "none yet, it is the newest document"
        before = names[index - 1] if index else "none, it starts the chain"
        lines.append(f"{name} {subjects[index]}\nPRECEDES: {after}\nFOLLOWS: {before}")
    question = fill(dealer.words("phrasings", "links"), story)
    story.update(chain="\n\n".join(lines))
    details = "\n".join(f"- {name} {subject}" for name, subject in listed)
    return Row(question, details, fill(layout("links"), story), "dual_links", {"category": "dual_links"})
