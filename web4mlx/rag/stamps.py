"""When and by whom a document was written, as its file name and its header tell, in every form in use.

Accepted names: `YYYY-MM-DD-UTC-HHMM[SS][-slug]`, `YYYYMMDD-HHMMSS-Agent.Role`, and a day alone. A day
or a time that does not exist (an hour of 24, a 31st of June) is never an error: what is left of it is kept.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DASHED = re.compile(
    r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:[-_T ]+(?:UTC|Z)?[-_ ]*(\d{2})[:]?(\d{2})[:]?(\d{2})?(?!\d))?"
)
_PACKED = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?:[-_T](\d{2})(\d{2})(\d{2})?(?!\d))?(?!\d)")
_SIGNED = re.compile(r"\d{8}-\d{6}-([A-Za-z][\w-]*)\.([A-Za-z][\w-]*?)(?:\.pdca)?\.md$")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: ISO day, seconds since the epoch (UTC), and whether the stated time exists."""

    date: str = ""
    timestamp: int = 0
    is_exact: bool = True


def read_moment(text: str) -> Moment | None:
    """The first date in a text, with its time when one follows; None when there is no existing day."""
    for pattern in (_DASHED, _PACKED):
        for match in pattern.finditer(text):
            moment = _moment(match)
            if moment is not None:
                return moment
    return None


def _moment(match: re.Match[str]) -> Moment | None:
    year, month, day = (int(part) for part in match.groups()[:3])
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    date = f"{midnight:%Y-%m-%d}"
    hour, minute, second = (int(part or 0) for part in match.groups()[3:])
    try:
        exact = midnight.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        return Moment(date, int(midnight.timestamp()), is_exact=False)
    return Moment(date, int(exact.timestamp()))


def read_signature(name: str) -> tuple[str, str]:
    """Agent and role of a name such as `20260105-081500-Ada.Developer.pdca.md`; empty when unsigned."""
    match = _SIGNED.search(name)
    return (match[1], match[2]) if match else ("", "")


def fold_agent(name: str) -> str:
    """A key under which all spellings of an agent are the same: `Save/Restart Agent`, `SaveRestartAgent`."""
    return "".join(character for character in name.casefold() if character.isalnum())
