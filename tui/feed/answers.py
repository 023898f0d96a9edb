"""The answers of an evaluation as they arrive, each scored once by the suite's own checkers."""

from functools import cache
from pathlib import Path

from pydantic import ValidationError

from evals.cases import Case
from evals.harnesses import load_harness
from evals.run_file import RESPONSES, Answered, RunHeader
from evals.scoring import score_case
from tui.feed.tail import LineTail
from web4mlx.errors import Web4Error
from web4mlx.reports import CaseReport


@cache
def cases_of(harness: str) -> dict[str, Case]:
    """The cases of a harness by id, in the suite's order; none when this suite has no such harness."""
    try:
        return {case.id: case for case in load_harness(harness).cases()}
    except Web4Error:
        return {}


class AnswerFeed:
    """Follows the `responses.jsonl` of a run.

    Attributes:
        answers: By `harness/case`; of a case that was asked again, the last one.
        garbage: Lines that are no answers of this run.
    """

    def __init__(self, folder: Path) -> None:
        self._tail = LineTail(folder / RESPONSES)
        self._restarts = 0
        self.answers: dict[str, Answered] = {}
        self.garbage = 0
        self._scored: dict[str, CaseReport] = {}

    @property
    def problem(self) -> str:
        """What is wrong with the file, in words."""
        return self._tail.problem

    def read(self, header: RunHeader) -> None:
        """Take in what is new."""
        subject = header.subject_sha256
        for line in self._tail.read():
            if self._tail.restarts != self._restarts:
                self._restarts = self._tail.restarts
                self.answers, self._scored, self.garbage = {}, {}, 0
            if line:
                self._take(line, subject)

    def _take(self, line: bytes, subject: str) -> None:
        try:
            answer = Answered.model_validate_json(line)
        except ValidationError:
            self.garbage += 1
            return
        if answer.subject_sha256 != subject:
            self.garbage += 1
            return
        self.answers[answer.key] = answer
        self._scored.pop(answer.key, None)

    def done(self, harness: str, ids: tuple[str, ...]) -> int:
        """How many of these cases have an answer that is no error."""
        found = (self.answers.get(f"{harness}/{case}") for case in ids)
        return sum(answer is not None and answer.finish_reason != "error" for answer in found)

    def scored(self, harness: str, ids: tuple[str, ...]) -> tuple[CaseReport, ...]:
        """The cases that have an answer, scored as the suite stands now."""
        keys = [f"{harness}/{case}" for case in ids]
        return tuple(self._score(harness, key) for key in keys if key in self.answers)

    def _score(self, harness: str, key: str) -> CaseReport:
        if key not in self._scored:
            self._scored[key] = score_answer(harness, self.answers[key])
        return self._scored[key]


def score_answer(harness: str, answer: Answered) -> CaseReport:
    """One answer, scored; one to a question that the suite no longer asks is errored."""
    case = cases_of(harness).get(answer.case)
    why = "this suite does not ask it any more"
    if case is not None:
        try:
            return score_case(load_harness(harness), case, answer)
        except Web4Error as error:
            why = error.message
    return CaseReport(
        id=answer.case, category=case.category if case else "", prompt=answer.prompt,
        response=answer.text, verdict="errored", reasons=(why,),
    )  # fmt: skip
