"""Does a prompt need the user's files or machine, and which tools? Decided by words, in microseconds.

The rules are a data file of keywords and file endings in English and German; nothing here knows a word. A
prompt needs a tool when one of its clauses begins with a verb of the tool and it names a file, a place or an
object that the tool works on. A question about knowledge that names no file needs none.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from web4mlx.assistant.phrases import PhrasePattern, alternatives, word_keys
from web4mlx.assistant.tool_rules import SHIPPED, FileWords, Rules, read_rules

READ = "read_file"
HEAD, TAIL = 240, 100  # characters that are looked at; a request stands at an end, not in pasted text
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_HAS_PATH = re.compile(r"\w\.\w|/|(?<!\w)\.\w")


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
    verb: PhrasePattern
    thing: PhrasePattern
    phrase: PhrasePattern


class ToolNeedDetector:
    """The rules, compiled once; asking is cheap and safe from several threads.

    Args:
        rules: The words.
    """

    def __init__(self, rules: Rules) -> None:
        softeners = alternatives(rules.requests.softeners)
        start = rf"(?:^|[.!?;:,\n]\s*|\b(?:{softeners})\s+)"
        self._concept = re.compile(rf"\W*(?:{alternatives(rules.concept.openings)})(?!\w)")
        self._file = re.compile(file_pattern(rules.files))
        self._file_name = PhrasePattern(rules.files.names)
        self._folder = re.compile(folder_pattern(rules.files))
        self._not_files = frozenset(rules.files.not_files)
        self._example = re.compile(rf"\b(?:{alternatives(rules.files.indefinite)})\s+$")
        self._place = PhrasePattern(rules.places.words)
        self._history = PhrasePattern(rules.history.phrases)
        self._names = {name: frozenset((name, *words.names)) for name, words in rules.tools.items()}
        self._tools = [
            _Tool(
                name, words.takes_files, words.takes_places,
                PhrasePattern(words.verbs, start), PhrasePattern(words.objects), PhrasePattern(words.phrases),
            )
            for name, words in rules.tools.items()
        ]  # fmt: skip

    def detect(self, prompt: str) -> ToolNeed:
        """Which tools a prompt needs."""
        text = clipped(prompt)
        keys = word_keys(text)
        has_file = self.names_file(text, keys)
        certain = tuple(tool.name for tool in self._tools if tool.phrase.is_in(text, keys))
        if not has_file and self._concept.match(text):
            return ToolNeed(bool(certain), certain)
        has_place = self._place.is_in(text, keys) or ("/" in text and self._folder.search(text) is not None)
        likely = [tool.name for tool in self._tools if self._wants(tool, text, keys, has_file, has_place)]
        tools = tuple(dict.fromkeys([*certain, *likely]))
        if has_file and not tools:
            tools = (READ,)
        return ToolNeed(bool(tools), tools)

    def _wants(self, tool: _Tool, text: str, keys: frozenset[str], has_file: bool, has_place: bool) -> bool:
        has_thing = (tool.takes_files and has_file) or (tool.takes_places and has_place)
        return (has_thing or tool.thing.is_in(text, keys)) and tool.verb.is_in(text, keys)

    def names_file(self, text: str, keys: frozenset[str]) -> bool:
        """Whether a text in lower case names a particular file or path."""
        if not (_HAS_PATH.search(text) or self._file_name.is_in(text, keys)):
            return False
        found = (m for m in self._file.finditer(text) if m[0] not in self._not_files)
        return any(not self._example.search(text, 0, m.start()) for m in found)

    def names_of(self, need: ToolNeed) -> frozenset[str]:
        """Every name of the needed tools."""
        return frozenset().union(*(self._names[tool] for tool in need.tools))

    def is_about_history(self, prompt: str) -> bool:
        """Whether a prompt asks for the team's past."""
        text = clipped(prompt)
        return self._history.is_in(text, word_keys(text))


def clipped(prompt: str) -> str:
    """The beginning and the end of a prompt in lower case, without fenced code."""
    if "```" in prompt:
        prompt = _FENCED.sub("\n", prompt)
    if len(prompt) > HEAD + TAIL:
        prompt = f"{prompt[:HEAD]}\n{prompt[-TAIL:]}"
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


@cache
def open_detector(path: Path = SHIPPED) -> ToolNeedDetector:
    """The detector of a file of rules, read once."""
    return ToolNeedDetector(read_rules(path))


def detect_tool_need(prompt: str) -> ToolNeed:
    """Which tools a prompt needs, by the rules that ship."""
    return open_detector().detect(prompt)
