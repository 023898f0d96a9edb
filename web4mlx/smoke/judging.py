"""The three tests: what is asked, and what of the answer is compared with what was expected."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from web4mlx.assistant.context import Hit
from web4mlx.assistant.tool_need import READ, ToolNeedDetector
from web4mlx.config.smoke import SmokeConfig
from web4mlx.reports import Verdict
from web4mlx.smoke.asking import Answer
from web4mlx.smoke.calls import find_calls, names_file
from web4mlx.smoke.report import SmokeCheck

HISTORY = "pdca_historical"
FILE = "Button.tsx"
_NUMBER = re.compile(r"\[(\d{1,3})\]")
_DOCUMENT = re.compile(r"[\w./-]*(?:\d{4}-?\d{2}-?\d{2}[\w.-]*|\w\.pdca)\.md\b")  # a PDCA's file


@dataclass(frozen=True)
class Judge:
    """What answers are compared with.

    Args:
        settings: Budgets and expected content.
        unknown_pdcas: Which of some ids and file names are no PDCAs of the store.
        detector: The rules that decided about tools.
    """

    settings: SmokeConfig
    unknown_pdcas: Callable[[Iterable[str]], list[str]]
    detector: ToolNeedDetector

    def trained(self, answer: Answer) -> list[SmokeCheck]:
        """From training alone, with the expected content, at once."""
        content = [missing for missing in self.settings.trained_content if not speaks_of(answer, missing)]
        expected = ", ".join(self.settings.trained_content)
        return [
            check("route", answer.prepared.built.route.name, "trained", is_route(answer, "trained")),
            check("store", asked_of(answer), "not asked", not answer.collections),
            check(
                "content", f"without {', '.join(content)}" if content else "all of it", expected, not content
            ),
            within("time to first token", answer.first_token_ms, self.settings.trained_first_token_ms),
        ]

    def history(self, answer: Answer) -> list[SmokeCheck]:
        """From the store, with citations of PDCAs that exist, and none that do not."""
        cited = [str(hit.metadata.get("pdca_id", "")) for hit in pdcas_of(answer)]
        unknown = self.unknown_pdcas(cited)
        sources = len(answer.prepared.built.documents)
        named = _DOCUMENT.findall(answer.response.text)
        nowhere = self.unknown_pdcas(named)
        invented = [n for n in _NUMBER.findall(answer.response.text) if not 1 <= int(n) <= sources]
        return [
            check("route", answer.prepared.built.route.name, "history", is_route(answer, "history")),
            check("store", asked_of(answer), f"{HISTORY} asked", HISTORY in answer.collections),
            check(
                "cited PDCAs", counted(cited, unknown), "1 or more, all in the store", cited and not unknown
            ),
            check("numbers in the text", invented_of(invented), f"none above {sources}", not invented),
            check("PDCAs in the text", counted(named, nowhere), "none that is not in the store", not nowhere),
            check("answer", words(answer), "not empty", answer.response.text.strip()),
            within("time to first token", answer.first_token_ms, self.settings.history_first_token_ms),
        ]

    def tools(self, answer: Answer) -> list[SmokeCheck]:
        """Detected, with examples, and a valid call that names the file."""
        built = answer.prepared.built
        names = self.detector.names_of(built.route.need)
        calls = find_calls(answer.response.text)
        right = [call for call in calls if call.name in names and names_file(call, FILE)]
        tools, examples = ", ".join(built.route.need.tools) or "none", len(built.examples)
        seen = f"{calls[0].name} {dict(calls[0].arguments)}" if calls else "no call"
        return [
            check("detected tools", tools, READ, READ in built.route.need.tools),
            check("examples", str(examples), "2 to 3", 2 <= examples <= 3),
            check("call", seen, f"a valid one that names {FILE}", right),
            within("total time", answer.total_ms, self.settings.tools_total_ms),
        ]


@dataclass(frozen=True)
class Case:
    """A test: its question and its judge."""

    name: str
    title: str
    question: str
    judge: Callable[[Judge, Answer], list[SmokeCheck]]


CASES: Sequence[Case] = (
    Case("trained", "Trained knowledge", "Explain the empty constructor pattern", Judge.trained),
    Case("history", "History", "How did we solve component versioning conflicts in the past?", Judge.history),
    Case("tools", "Tools", f"Read the {FILE} file and check for constructor violations", Judge.tools),
)


def check(name: str, measured: str, expected: str, is_met: object) -> SmokeCheck:
    """A finding."""
    verdict: Verdict = "passed" if is_met else "failed"
    return SmokeCheck(name=name, measured=measured, expected=expected, verdict=verdict)


def within(name: str, measured_ms: float, budget_ms: float) -> SmokeCheck:
    """A time and its budget."""
    return check(name, f"{measured_ms:.0f} ms", f"below {budget_ms:.0f} ms", measured_ms < budget_ms)


def is_route(answer: Answer, name: str) -> bool:
    """Whether the prompt took this route."""
    return answer.prepared.built.route.name == name


def speaks_of(answer: Answer, alternatives: str) -> bool:
    """Whether a word of the answer begins with one of the alternatives."""
    either = "|".join(re.escape(word.strip()) for word in alternatives.split("|"))
    return re.search(rf"\b(?:{either})", answer.response.text, re.IGNORECASE) is not None


def asked_of(answer: Answer) -> str:
    """The collections that were asked, for people."""
    return f"{', '.join(answer.collections)} asked" if answer.collections else "not asked"


def pdcas_of(answer: Answer) -> list[Hit]:
    """The cited pieces of PDCAs."""
    return [hit for hit in answer.prepared.built.documents if hit.collection == HISTORY]


def counted(cited: Sequence[str], unknown: Sequence[str]) -> str:
    """How many PDCAs are cited, and which do not exist."""
    return f"{len(set(cited))}" + (f", not in the store: {', '.join(unknown)}" if unknown else "")


def invented_of(numbers: Sequence[str]) -> str:
    """Numbers of sources that are none."""
    return ", ".join(f"[{number}]" for number in numbers) or "none"


def words(answer: Answer) -> str:
    """The length of an answer."""
    return f"{len(answer.response.text.split())} words"
