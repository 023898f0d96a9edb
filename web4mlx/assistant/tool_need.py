"""Does a prompt need the user's files or machine, and which tools? Decided by words, in microseconds.

The rules are a data file of keywords and file endings in English and German; nothing here knows a word. A
prompt needs a tool when one of its clauses begins with a verb of the tool and it names a file, a place or an
object that the tool works on. A question about knowledge that names no file needs none.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from web4mlx.errors import Problems, UsageError
from web4mlx.textfile import read_text

SHIPPED = Path(__file__).parent / "data" / "tool_need.toml"
READ = "read_file"
LONGEST = 2000  # characters looked at from either end of a prompt: pasted code is not searched


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileWords(_Table):
    """How a file or folder is recognised, and the articles that make it a mere example."""

    extensions: tuple[str, ...]
    not_files: tuple[str, ...]
    folders: tuple[str, ...]
    names: tuple[str, ...]
    indefinite: tuple[str, ...]


class PlaceWords(_Table):
    """Words for the user's project and folders."""

    words: tuple[str, ...]


class ConceptWords(_Table):
    """How questions about knowledge begin."""

    openings: tuple[str, ...]


class RequestWords(_Table):
    """What may stand before the verb of a request."""

    softeners: tuple[str, ...]


class ToolWords(_Table):
    """What asks for one tool."""

    takes_files: bool
    takes_places: bool
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    phrases: tuple[str, ...]


class HistoryWords(_Table):
    """What asks for the team's past."""

    phrases: tuple[str, ...]


class Rules(_Table):
    """The content of the data file."""

    version: int
    files: FileWords
    places: PlaceWords
    concept: ConceptWords
    requests: RequestWords
    tools: dict[str, ToolWords]
    history: HistoryWords


@dataclass(frozen=True, slots=True)
class ToolNeed:
    """Whether tools are needed, and which, the likeliest first."""

    needs: bool
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    takes_files: bool
    takes_places: bool
    verb: re.Pattern[str]
    thing: re.Pattern[str]
    phrase: re.Pattern[str]


class ToolNeedDetector:
    """The rules, compiled once; asking is cheap and safe from several threads.

    Args:
        rules: The words.
    """

    def __init__(self, rules: Rules) -> None:
        start = rf"(?:^|[.!?;:,\n]\s*|\b(?:{alternatives(rules.requests.softeners)})\s+)"
        self._concept = re.compile(rf"^\W*(?:{alternatives(rules.concept.openings)})(?!\w)")
        self._file = re.compile(file_pattern(rules.files))
        self._folder = re.compile(folder_pattern(rules.files))
        self._not_files = frozenset(rules.files.not_files)
        self._example = re.compile(rf"\b(?:{alternatives(rules.files.indefinite)})\s+$")
        self._place = compile_phrases(rules.places.words)
        self._history = compile_phrases(rules.history.phrases)
        self._tools = [
            _Tool(
                name, words.takes_files, words.takes_places,
                re.compile(rf"{start}(?:{alternatives(words.verbs)})(?!\w)"),
                compile_phrases(words.objects), compile_phrases(words.phrases),
            )
            for name, words in rules.tools.items()
        ]  # fmt: skip

    def detect(self, prompt: str) -> ToolNeed:
        """Which tools a prompt needs."""
        text = clipped(prompt)
        has_file = self.names_file(text)
        certain = tuple(tool.name for tool in self._tools if tool.phrase.search(text))
        if not has_file and self._concept.search(text):
            return ToolNeed(bool(certain), certain)
        has_place = self._place.search(text) is not None or self._folder.search(text) is not None
        likely = tuple(tool.name for tool in self._tools if self._wants(tool, text, has_file, has_place))
        tools = tuple(dict.fromkeys(certain + likely))
        if has_file and not tools:
            tools = (READ,)
        return ToolNeed(bool(tools), tools)

    def _wants(self, tool: _Tool, text: str, has_file: bool, has_place: bool) -> bool:
        has_thing = (tool.takes_files and has_file) or (tool.takes_places and has_place)
        return bool((has_thing or tool.thing.search(text)) and tool.verb.search(text))

    def names_file(self, text: str) -> bool:
        """Whether a text in lower case names a particular file or path."""
        found = (m for m in self._file.finditer(text) if m[0] not in self._not_files)
        return any(not self._example.search(text, 0, m.start()) for m in found)

    def is_about_history(self, prompt: str) -> bool:
        """Whether a prompt asks for the team's past."""
        return self._history.search(clipped(prompt)) is not None


def clipped(prompt: str) -> str:
    """The beginning and the end of a prompt in lower case."""
    if len(prompt) > 2 * LONGEST:
        prompt = f"{prompt[:LONGEST]}\n{prompt[-LONGEST:]}"
    return prompt.casefold().replace("’", "'")


def file_pattern(words: FileWords) -> str:
    """A pattern for files and folders: a name with an ending, a path, or one of the known names."""
    endings = "|".join(sorted(map(re.escape, words.extensions), key=len, reverse=True))
    return (
        rf"(?<![\w.@/-])(?:[\w@.-]*/)*[\w@-][\w@.-]*\.(?:{endings})(?![\w-])"
        rf"|{folder_pattern(words)}|(?<!\w)(?:{alternatives(words.names)})(?!\w)"
    )


def folder_pattern(words: FileWords) -> str:
    """A pattern for paths: a known folder with a slash, two slashes, or a slash at the end."""
    known = "|".join(map(re.escape, words.folders))
    return rf"(?<![\w.:/])(?:(?:{known})/[\w./-]*|[\w.-]+/(?=[\s.,;?!]|$)|[\w.-]+/[\w.-]+/[\w./-]*)"


def compile_phrases(phrases: Sequence[str]) -> re.Pattern[str]:
    """A pattern for any of the phrases as whole words; one that never matches when there are none."""
    return re.compile(rf"(?<!\w)(?:{alternatives(phrases)})(?!\w)" if phrases else r"(?!)")


def alternatives(phrases: Iterable[str]) -> str:
    """The phrases as one pattern, longer ones first; `*` is the rest of a word, `…` a few words."""
    patterns = []
    for phrase in sorted(phrases, key=len, reverse=True):
        escaped = re.escape(phrase.casefold()).replace(r"\ ", r"\s+")
        patterns.append(escaped.replace(r"\*", r"[\w.-]*").replace("…", r"[^.?!]{1,60}"))
    return "|".join(patterns)


def read_rules(path: Path) -> Rules:
    """Read a file of rules.

    Raises:
        MissingPrerequisite: There is none.
        UsageError: It is no TOML; says where.
        Problems: A key is missing, unknown or of the wrong type; lists all.
    """
    import tomli

    text = read_text(path, f"{path}: no such file of tool rules")
    try:
        return Rules.model_validate(tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise Problems(str(path), problems, f"Compare it with {SHIPPED.name} of the package.") from error


@cache
def open_detector(path: Path = SHIPPED) -> ToolNeedDetector:
    """The detector of a file of rules, read once."""
    return ToolNeedDetector(read_rules(path))


def detect_tool_need(prompt: str) -> ToolNeed:
    """Which tools a prompt needs, by the rules that ship."""
    return open_detector().detect(prompt)
