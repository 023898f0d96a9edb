"""The options that the benchmarks share, and where their result goes."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from web4mlx.artifacts import atomic_write
from web4mlx.errors import Web4Error


def plain_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of `show`; the description keeps its line breaks."""
    formatter = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    return parser


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with --config and the options of `report`."""
    parser = plain_parser(description)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--plot", type=svg_path, metavar="FILE.svg", help="draw the result into this file")
    source = "measure nothing: show the result that --out wrote"
    parser.add_argument("--from", type=Path, dest="saved", metavar="FILE.json", help=source)
    return parser


def interleaved_parser(description: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """The same for variants that take turns: --threads, and --rounds where it has a default."""
    parser = new_parser(description)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads of every variant")
    return parser


def svg_path(text: str) -> Path:
    """A path that ends in .svg; asked for before anything is measured."""
    path = Path(text)
    if path.suffix != ".svg":
        raise argparse.ArgumentTypeError(f"{text}: the plot is an SVG picture; name it FILE.svg")
    return path


def report(
    args: argparse.Namespace,
    measure: Callable[[argparse.Namespace], Any],
    render: Callable[[Any], str],
    draw: Callable[[Any], str],
) -> None:
    """Measure, or read what was measured before; print it as JSON or as text, and draw it.

    Args:
        args: of `new_parser` or `interleaved_parser`.
        measure: runs the benchmark; its result can be written as JSON.
        render: the result as text.
        draw: the result as an SVG picture.
    """
    result = read_result(args.saved) if args.saved else measure(args)
    try:
        show(result, args, render)
        if args.plot:
            atomic_write(args.plot, draw(result))
            print(f"plot: {args.plot}", file=sys.stderr)
    except (KeyError, TypeError, AttributeError):
        if not args.saved:
            raise
        sys.exit(f"{args.saved}: not a result of this benchmark; give the file that its --out wrote")
    except Web4Error as error:
        sys.exit(f"{error}\n{error.hint}".rstrip())


def show(result: Any, args: argparse.Namespace, render: Callable[[Any], str]) -> None:
    """Print a result as JSON or as text, and write it where --out says."""
    saved = json.dumps(result, indent=2)
    print(saved if args.as_json else render(result))
    if args.out:
        atomic_write(args.out, saved + "\n")


def read_result(file: Path) -> Any:
    """What --out wrote."""
    try:
        return json.loads(file.read_text("utf-8"))
    except OSError as error:
        sys.exit(f"{file}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"{file}: no JSON: {error}")
