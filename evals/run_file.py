"""The record of one evaluation: a folder with `run.json` and `responses.jsonl`; all reports follow from it.

A response is appended and synced as it arrives, so that a killed run loses only what was in flight. Scoring
reads nothing else, so that a report can be made again at any time without a model.
"""

import json
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError

from web4mlx.artifacts import atomic_write, explain_os_errors, sha256_bytes
from web4mlx.engines.base import FinishReason, Response
from web4mlx.errors import CheckFailed, MissingPrerequisite
from web4mlx.events import ends_in_half_line
from web4mlx.reports import Record, Subject

HEADER = "run.json"
RESPONSES = "responses.jsonl"


class LeakCheck(Record):
    """Which prompts stand in a training file; `errored` when no training file could be read."""

    verdict: Literal["passed", "failed", "errored"]
    files: dict[str, str] = {}
    leaks: tuple[str, ...] = ()
    detail: str = ""


class RunHeader(Record):
    """What is asked of whom; written before the first answer.

    `cases` are the ids to ask of each harness, in order; `planned` the size of each complete harness.
    `is_configured` says that the model was asked as the configuration says, with its Modelfile and seed.
    """

    format: Literal[1] = 1
    created: str
    subject: Subject
    cases: dict[str, tuple[str, ...]]
    planned: dict[str, int]
    leak_check: LeakCheck
    is_baseline: bool = False
    is_configured: bool = True

    @property
    def subject_sha256(self) -> str:
        """Digest of what is evaluated; each answer carries it, so that none is taken for another model's."""
        return sha256_bytes(self.subject.model_dump_json().encode())


class Answered(Record):
    """One line of `responses.jsonl`; times in seconds, `cached` when no model was asked for it.

    `subject_sha256` says whose answer it is; the log of a run fills it in.
    """

    harness: str
    case: str
    prompt: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    time_to_first_token_s: float
    total_s: float
    error: str = ""
    cached: bool = False
    subject_sha256: str = ""

    @property
    def key(self) -> str:
        """`harness/case`."""
        return f"{self.harness}/{self.case}"

    @classmethod
    def of(cls, response: Response, prompt: str, *, cached: bool = False) -> Self:
        """An engine's response to the request `harness/case`."""
        harness, case = response.id.split("/", 1)
        fields = ("text", "finish_reason", "prompt_tokens", "completion_tokens")
        times = ("time_to_first_token_s", "total_s", "error")
        values = {name: getattr(response, name) for name in (*fields, *times)}
        return cls(harness=harness, case=case, prompt=prompt, cached=cached, **values)


class RunFile:
    """One run's folder.

    Args:
        folder: Where `run.json` stands.
        header: What it says.
    """

    def __init__(self, folder: Path, header: RunHeader) -> None:
        self.folder = folder
        self.header = header

    @classmethod
    def create(cls, folder: Path, header: RunHeader) -> Self:
        """Write the header of a new run."""
        with explain_os_errors(folder):
            folder.mkdir(parents=True)
        atomic_write(folder / HEADER, header.model_dump_json(indent=2) + "\n")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read a run.

        Raises:
            MissingPrerequisite: The folder holds no run.
            CheckFailed: Its header is damaged; names the field.
        """
        path = folder / HEADER
        try:
            return cls(folder, RunHeader.model_validate_json(path.read_bytes()))
        except FileNotFoundError as error:
            raise MissingPrerequisite(f"{folder}: no run of the suite", "`evals run` makes one.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CheckFailed(
                f"{path}: damaged: {where}: {first['msg']}", "Run `evals run` again."
            ) from error

    def answers(self) -> dict[str, Answered]:
        """The answers so far by `harness/case`; of a case that was asked again, the last one.

        An unfinished last line is what a killed run leaves and is passed over.

        Raises:
            CheckFailed: Another line is no answer, or one of another model or setting than the header's.
        """
        path = self.folder / RESPONSES
        if not path.exists():
            return {}
        lines = path.read_bytes().split(b"\n")
        found: dict[str, Answered] = {}
        for number, line in enumerate(lines[:-1], 1):
            if not line:
                continue
            try:
                answer = Answered.model_validate_json(line)
            except ValidationError as error:
                message = f"{path}:{number}: not an answer: {error.errors()[0]['msg']}"
                raise CheckFailed(message, "The file was changed; run `evals run` again.") from error
            if answer.subject_sha256 != self.header.subject_sha256:
                message = f"{path}:{number}: not an answer of what {HEADER} describes"
                raise CheckFailed(message, "A file was changed; run `evals run` again.")
            found[answer.key] = answer
        return found

    def missing(self) -> dict[str, tuple[str, ...]]:
        """The cases that have no answer yet, or only an error, by harness."""
        done = {key for key, answer in self.answers().items() if answer.finish_reason != "error"}
        return {
            harness: tuple(case for case in cases if f"{harness}/{case}" not in done)
            for harness, cases in self.header.cases.items()
        }


class AnswerLog:
    """Appends answers to a run's `responses.jsonl`; each is on the disk when `append` returns."""

    def __init__(self, run: RunFile) -> None:
        path = run.folder / RESPONSES
        heal(path)
        self._subject = {"subject_sha256": run.header.subject_sha256}
        self._file = path.open("a", encoding="utf-8")

    def append(self, answer: Answered) -> None:
        """Write one line and sync it."""
        with explain_os_errors(Path(self._file.name)):
            line = answer.model_dump(mode="json") | self._subject
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def heal(path: Path) -> None:
    """Cut the unfinished last line that a killed writer left."""
    if ends_in_half_line(path):
        whole = path.read_bytes().rpartition(b"\n")[0]
        atomic_write(path, whole + b"\n" if whole else b"")
