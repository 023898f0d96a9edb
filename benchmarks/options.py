"""The options that the training benchmarks share, and where their result goes."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with --config and --json; the description keeps its line breaks."""
    formatter = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--json", action="store_true", dest="as_json")
    return parser


def interleaved_parser(description: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """The same for variants that take turns: --threads and --out, and --rounds where it has a default."""
    parser = new_parser(description)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads of every variant")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    return parser


def show(result: Any, args: argparse.Namespace, render: Callable[[Any], str]) -> None:
    """Write the result to --out, if it was given, and print it as JSON or as text."""
    text = json.dumps(result, indent=2)
    if getattr(args, "out", None):
        args.out.write_text(text + "\n", "utf-8")
    print(text if args.as_json else render(result))
