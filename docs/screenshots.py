"""Makes the dashboard's screenshots: `python docs/screenshots.py`, from the root of the project.

Those of Training show a recorded training of the demo, played by what `--replay` plays it with, up to a
step. With `--outputs FOLDER` the other screens are taken too, from what a run of the demo has left there.
Each is an SVG of fixed size in docs/images/.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

RECORDING = Path("tests/recordings/demo_lora")
RUN = "web4_demo_lora_20261126_215355"
IMAGES = Path("docs/images")
SIZE = (120, 36)
WAIT_S = 60.0
SETTLE_S = 2.0


@dataclass(frozen=True)
class Shot:
    """One picture: the keys are pressed before it is taken."""

    name: str
    screen: str
    theme: str = "dark"
    keys: tuple[str, ...] = ()


TRAINING = (
    Shot("training-dark", "training"),
    Shot("training-light", "training", "light"),
    Shot("training-answers", "training", keys=("a",)),
)
OTHERS = (
    *(Shot(name, name) for name in ("overview", "data", "gates")),
    Shot("gates-case", "gates", keys=("down", "enter", "f", "enter")),  # a case that failed
    *(Shot(name, name) for name in ("rag", "smoke", "models", "logs")),
)


def main() -> None:
    """Make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recording", type=Path, default=RECORDING, help="a run folder")
    parser.add_argument("--until", type=int, default=520, help="the step that is shown")
    parser.add_argument("--outputs", type=Path, help="outputs of a run of the demo, for the other screens")
    parser.add_argument("--images", type=Path, default=IMAGES, help="where the pictures go")
    chosen = parser.parse_args()
    chosen.images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        recording = cut(chosen.recording, chosen.until, Path(folder) / RUN)
        asyncio.run(take_training(recording, chosen.until, Path(folder) / "outputs", chosen.images))
    if chosen.outputs is not None:
        asyncio.run(take_others(chosen.outputs.absolute(), chosen.images))


def cut(recording: Path, until: int, folder: Path) -> Path:
    """A copy of a recording up to a step."""
    folder.mkdir()
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        for line in (recording / "events.jsonl").read_text("utf-8").splitlines():
            if json.loads(line).get("step", 0) > until:
                break
            file.write(line + "\n")
    return folder


async def take_training(recording: Path, until: int, outputs: Path, images: Path) -> None:
    """Play a recording and take the pictures of Training."""
    from tui.feed.replay import Replay

    Replay(recording, outputs, speed=1e6).start()
    await take(outputs, RUN, TRAINING, images, f"{until} of")


async def take_others(outputs: Path, images: Path) -> None:
    """Take the pictures of the other screens."""
    await take(outputs, "", OTHERS, images, "")


async def take(outputs: Path, replayed: str, shots: Sequence[Shot], images: Path, awaited: str) -> None:
    """Take pictures of one place, once a text stands on the first of them."""
    from textual.widgets import Static

    from tui.app import Dashboard
    from tui.place import find_place

    app = Dashboard(replace(find_place("demo"), outputs=outputs, replayed=replayed), shots[0].screen)
    async with app.run_test(size=SIZE) as pilot:
        end = time.monotonic() + WAIT_S
        while awaited and not any(awaited in str(text.render()) for text in app.query(Static)):
            if time.monotonic() > end:
                raise SystemExit(f"{awaited!r} did not appear")
            await pilot.pause(0.1)
        for shot in shots:
            await app.action_go(shot.screen)
            app.theme = f"web4mlx-{shot.theme}"
            await pilot.press(*shot.keys)
            await pilot.pause(SETTLE_S)
            text = app.export_screenshot(title="web4mlx tui")
            (images / f"{shot.name}.svg").write_text(text, "utf-8")
            if shot.keys:
                await pilot.press("escape")


if __name__ == "__main__":
    main()
