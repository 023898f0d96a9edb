"""Playing a recorded run again, at its own speed or faster, into a folder that the dashboard then watches.

The recording is copied line by line with new times; everything behind it is the real thing.
"""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from web4mlx.errors import MissingPrerequisite, UsageError

RECORDINGS = ("events.jsonl", "pipeline.jsonl")
BATCH_S = 0.05


class Replay:
    """Plays one recording.

    Args:
        recording: A run folder, or an outputs folder with a pipeline's events.
        outputs: Where it is played to: the outputs folder of the dashboard.
        speed: How many seconds of the recording pass in one.

    Raises:
        MissingPrerequisite: There is nothing to play.
        UsageError: The speed is not positive.
    """

    def __init__(self, recording: Path, outputs: Path, speed: float = 1.0) -> None:
        if speed <= 0:
            raise UsageError(f"--speed is {speed:g}; it must be above 0")
        name = next((name for name in RECORDINGS if (recording / name).is_file()), None)
        if name is None:
            raise MissingPrerequisite(
                f"{recording}: nothing to replay", "Name a run folder: it holds events.jsonl."
            )
        self.source, self.speed = recording / name, speed
        is_run = name == RECORDINGS[0]
        self.folder = outputs / (recording.absolute().name if is_run else "")
        self.target = self.folder / name
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to play, in a thread."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for extra in ("config.toml", "train.log"):
            with suppress(OSError):
                shutil.copyfile(self.source.with_name(extra), self.folder / extra)
        threading.Thread(target=self._play, name="replay", daemon=True).start()

    def close(self) -> None:
        """Stop playing."""
        self._stop.set()

    def _play(self) -> None:
        with self.target.open("w", encoding="utf-8") as file:
            for line, wait_s in _timed(self.source, self.speed):
                if wait_s > 0:
                    file.flush()
                    if self._stop.wait(wait_s):
                        return
                file.write(line)


def _timed(source: Path, speed: float) -> Iterator[tuple[str, float]]:
    """The lines of a recording with new times, and how long to wait before each; seconds."""
    first: float | None = None
    started = time.monotonic()
    wall = time.time()
    with source.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
                ts = float(event["ts"])
            except (ValueError, KeyError, TypeError):
                yield line, 0.0
                continue
            first = ts if first is None else first
            due = max(0.0, ts - first) / speed
            event["ts"] = wall + due
            wait_s = due - (time.monotonic() - started)
            yield json.dumps(event, ensure_ascii=False) + "\n", wait_s if wait_s > BATCH_S else 0.0
