"""The version of the suite: a name for everything that decides a verdict.

It changes with every edit of a prompt, a checker, a threshold or a gate, because it is computed from their
bytes: reports of different suites are never taken for each other.
"""

import hashlib
from functools import cache
from pathlib import Path

SUITE = "1"
PACKAGE = Path(__file__).parent
NOT_PART_OF_IT = ("preview.toml", "refusal_labelled.jsonl")
MODULES = ("canaries", "cases", "decision", "gates", "leaks", "outcome", "scores", "scoring", "statistics")
DECIDING = ("checkers/*.py", "harnesses/*.py", "data/*", *(f"{name}.py" for name in MODULES))


@cache
def suite_version() -> str:
    """`1.` and twelve hexadecimal digits of the SHA-256 over the files that decide verdicts."""
    digest = hashlib.sha256()
    for file in deciding_files():
        content = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{file.relative_to(PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    return f"{SUITE}.{digest.hexdigest()[:12]}"


def deciding_files() -> list[Path]:
    """Those files, in a fixed order."""
    found = (file for pattern in DECIDING for file in PACKAGE.glob(pattern) if file.is_file())
    return sorted(file for file in found if file.name not in NOT_PART_OF_IT)
