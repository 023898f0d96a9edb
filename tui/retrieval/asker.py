"""Asks the worker process: starts it when it is first needed, again when it is gone, and ends it.

`ask` waits for the answer, so it belongs into a thread. Of several that wait, only the newest is asked.
"""

import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from pydantic import ValidationError

from tui.retrieval.worker import Answer, Question
from web4mlx.errors import StageCrashed

END_S = 5.0
REBUILD = "`web4mlx rag check` says whether the store is damaged; `rag build --rebuild` makes its index anew."


class Stopped(StageCrashed):
    """The worker was ended from here, or a newer question made this one void."""


@dataclass(frozen=True)
class Worker:
    """A worker process with its pipes and what it complains about."""

    process: "subprocess.Popen[bytes]"
    asked: IO[bytes]
    answers: IO[bytes]
    complaints: IO[bytes]

    def exchange(self, question: Question) -> bytes:
        """Send a question and wait for the line of its answer; empty when the process has ended."""
        try:
            self.asked.write(question.model_dump_json().encode() + b"\n")
            self.asked.flush()
            return self.answers.readline()
        except (OSError, ValueError):  # it is gone, or was ended from another thread
            return b""

    def end(self) -> None:
        """End it; it only reads, so nothing is lost."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.asked, self.answers):
            with suppress(OSError):
                pipe.close()

    def last_words(self) -> str:
        """How it ended, with the last line it wrote about that."""
        try:
            code = self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            return "it does not answer"
        self.complaints.seek(0)
        last = "".join(self.complaints.read().decode("utf-8", "replace").splitlines()[-1:])
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {last}" if last else how


class Asker:
    """One worker process, or none."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self._turn = threading.Lock()
        self._newest = 0
        self._stopped = False

    @property
    def is_warm(self) -> bool:
        """Whether a worker is there."""
        worker = self.worker
        return worker is not None and worker.process.poll() is None

    def ask(self, question: Question) -> Answer:
        """Ask and wait.

        Raises:
            Stopped: `stop` was called meanwhile, or something newer was asked.
            StageCrashed: The worker died.
        """
        self._newest = max(self._newest, question.number)
        with self._turn:
            if question.number < self._newest:
                raise Stopped("something newer was asked")
            self._stopped = False
            was_warm = self.is_warm
            worker = self._ready()
            reply = worker.exchange(question)
            if not reply and was_warm and worker.process.wait(END_S) == 0 and not self._stopped:
                worker = self._ready()  # it had gone to rest in that very moment
                reply = worker.exchange(question)
            if self._stopped:
                raise Stopped("asking was stopped")
            if not reply:
                raise StageCrashed(f"the process that asks the store ended: {worker.last_words()}", REBUILD)
            return self._parse(reply)

    def _ready(self) -> Worker:
        worker = self.worker
        if worker is None or worker.process.poll() is not None:
            worker = self.worker = start_worker()
        return worker

    def _parse(self, reply: bytes) -> Answer:
        try:
            return Answer.model_validate_json(reply)
        except ValidationError as error:
            self.stop()
            raise StageCrashed("the process that asks the store wrote what is no answer", REBUILD) from error

    def stop(self) -> None:
        """End the worker, even in the middle of an answer; the next question starts another one."""
        self._stopped = True
        if self.worker is not None:
            self.worker.end()


def start_worker() -> Worker:
    """Start a worker process; a Ctrl-C in the terminal is not meant for it."""
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.retrieval.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise StageCrashed("the process that asks the store has no pipes")
    return Worker(process, process.stdin, process.stdout, complaints)
