"""Whether a model folder is whole and usable: files, shards, shapes, tokenizer, chat template, loading.

Every problem of a check is listed, not only the first. Hashes are compared by `digests`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from web4mlx.errors import CheckFailed, Web4Error
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.models.weights import compare_shapes, read_weights

REQUIRED_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
ROUND_TRIP_TEXTS = (
    "export class Order {\n\tprivate total = 0;\n\n\tconstructor() {}\n}\n",
    "Plan, Do, Check, Act: 1234567890 + 3.14 = ?\r\n",
    "   spaces   before and after   ",
    "Grüße aus Köln – naïve café, „Anführung“",
    "日本語のテキスト 中文 한국어 العربية हिन्दी 🚀👩‍💻",
    "it's we'll THEY'RE don't; x != y && z >= `a${b}`",
)
MAX_LISTED = 12
LOAD_TIMEOUT_S = 900


class Finding(BaseModel):
    """The result of one check; `problems` is empty when it passed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    check: str
    detail: str = ""
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the check found no problem."""
        return not self.problems


def verify_model(folder: Path, *, load: bool = True) -> list[Finding]:
    """Check a model folder.

    Args:
        folder: A model in Hugging Face layout.
        load: Also load it in mlx-lm, in a process of its own.

    Raises:
        CheckFailed: Something is wrong; lists every problem.
    """
    findings = list(inspect_model(folder, load=load))
    require_passed(folder, findings)
    return findings


def require_passed(folder: Path, findings: list[Finding]) -> None:
    """Raise when a finding has problems.

    Raises:
        CheckFailed: Lists the problems, at most a dozen of each check.
    """
    lines = []
    for finding in findings:
        lines += [f"  - {finding.check}: {problem}" for problem in finding.problems[:MAX_LISTED]]
        if len(finding.problems) > MAX_LISTED:
            lines.append(f"  - {finding.check}: and {len(finding.problems) - MAX_LISTED} more")
    if lines:
        raise CheckFailed(
            f"{folder} is not a usable base model:\n" + "\n".join(lines),
            "Run `web4mlx download` again; it fetches what is missing or damaged.",
        )


def inspect_model(folder: Path, *, load: bool = True) -> Iterator[Finding]:
    """Yield the findings one by one; later checks are left out where earlier ones make them meaningless."""
    missing = [f"{name}: missing" for name in REQUIRED_FILES if not (folder / name).is_file()]
    yield Finding(check="files", detail=f"{len(REQUIRED_FILES)} required files", problems=tuple(missing))
    config, problem = read_config(folder)
    if problem:
        yield Finding(check="config", problems=(problem,))
    tensors, problems = read_weights(folder)
    detail = f"{len(tensors)} tensors, {sum(i.end - i.begin for i in tensors.values()) / 1e9:.2f} GB"
    yield Finding(check="weight files", detail=detail, problems=tuple(problems))
    shapes: list[str] = []
    if tensors and not problems and not problem:
        shapes = compare_shapes(tensors, config)
        yield Finding(check="shapes", detail="as config.json says", problems=tuple(shapes))
    if not missing and not problem:
        yield from inspect_tokenizer(folder, int(config.get("vocab_size", 0)))
    if load and not (missing or problem or problems or shapes):
        yield try_loading(folder)


def read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """config.json and what is wrong with it; a missing file is not this check's problem."""
    path = folder / "config.json"
    if not path.is_file():
        return {}, ""
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        return {}, f"{path.name}: not valid JSON: {error}"
    if not isinstance(config, dict):
        return {}, f"{path.name}: not an object"
    if config.get("quantization") or config.get("quantization_config"):
        return config, "the model is quantized; training and fusing need the unquantized base"
    return config, ""


def inspect_tokenizer(folder: Path, vocabulary_rows: int) -> Iterator[Finding]:
    """Check that the chat template renders, that texts survive encoding, and that ids fit the embedding."""
    try:
        tokenizer = ChatTokenizer(folder)
        prompt = tokenizer.render([{"role": "user", "content": "ping"}], add_generation_prompt=True)
        problem = "" if "ping" in prompt else "the chat template drops the user's message"
    except Web4Error as error:
        yield Finding(check="chat template", problems=(error.message,))
        return
    yield Finding(check="chat template", detail="renders", problems=(problem,) if problem else ())
    try:
        problems = tokenizer_problems(tokenizer, vocabulary_rows)
    except Web4Error as error:
        problems = [error.message]
    detail = f"{len(ROUND_TRIP_TEXTS)} texts round trip"
    yield Finding(check="tokenizer", detail=detail, problems=tuple(problems))


def tokenizer_problems(tokenizer: ChatTokenizer, vocabulary_rows: int) -> list[str]:
    """Texts that do not come back, and ids beyond the embedding's rows."""
    problems = []
    for text in ROUND_TRIP_TEXTS:
        back = tokenizer.decode(tokenizer.encode(text))
        if back != text:
            problems.append(f"does not round-trip: {text!r} comes back as {back!r}")
    highest = max(tokenizer.backend.get_vocab(with_added_tokens=True).values(), default=-1)
    if highest >= vocabulary_rows:
        problems.append(f"token id {highest} has no row in an embedding of {vocabulary_rows}")
    ids = tokenizer.encode(tokenizer.end_token)
    if ids != [tokenizer.end_token_id]:
        problems.append(f"the end token {tokenizer.end_token!r} is encoded as {ids}, expected one id")
    return problems


def try_loading(folder: Path) -> Finding:
    """Load the model in a process of its own, since running out of memory there ends the process."""
    command = [sys.executable, "-m", "web4mlx.models.load_check", str(folder.resolve())]
    checkout = Path(__file__).resolve().parents[2]  # so that the package is found where it is not installed
    try:
        result = subprocess.run(
            command, cwd=checkout, capture_output=True, text=True, timeout=LOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(check="loads", problems=(f"loading took more than {LOAD_TIMEOUT_S} s",))
    if result.returncode == 0:
        return Finding(check="loads", detail=result.stdout.strip())
    lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
    reason = lines[-1] if lines else f"the loading process ended with code {result.returncode}"
    return Finding(check="loads", problems=(reason,))
