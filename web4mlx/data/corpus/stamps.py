"""Who wrote a document and when: agents, dates, and the names of a PDCA and of its two neighbours."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.words import read_list

FIRST_DAY = datetime(2025, 1, 6, 8)
DAYS = 480


@dataclass(frozen=True, slots=True)
class Stamp:
    """Author, time and neighbours of one document; the previous one is older, the next one younger."""

    agent: str
    written: datetime
    previous: datetime
    following: datetime

    @property
    def pdca_id(self) -> str:
        """The document's own file name without suffix."""
        return f"{self.written:%Y%m%d-%H%M%S}-{self.agent}"

    @property
    def precedes(self) -> str:
        """The link to the next document."""
        return f"[{self.following:%Y%m%d-%H%M%S}-{self.agent}.pdca.md]"

    @property
    def follows(self) -> str:
        """The link to the previous document."""
        return f"[{self.previous:%Y%m%d-%H%M%S}-{self.agent}.pdca.md]"

    @property
    def metadata(self) -> dict[str, object]:
        """The metadata of a dated document."""
        return {"pdca_id": self.pdca_id, "agent_name": self.agent, "date": f"{self.written:%Y-%m-%d}"}

    @property
    def quarter(self) -> str:
        """`2026-Q1`."""
        return f"{self.written:%Y}-Q{(self.written.month + 2) // 3}"


def draw_stamp(dealer: Dealer, *, named: bool, exact: bool = False) -> Stamp:
    """Draw author and times.

    Args:
        dealer: Where agents and times come from.
        named: Whether an agent of this split signs; otherwise the default agent does.
        exact: Any time, to the second. Otherwise full hours with the neighbours one hour away, and the same
            day for all that the default agent signs: a small model cannot guess what no request tells.
    """
    agent = dealer.words("agents") if named else read_list("agents")["default"]
    draw = dealer.random.randrange
    if exact:
        written = FIRST_DAY + timedelta(days=draw(DAYS), seconds=draw(9 * 3600))
        before, after = (timedelta(seconds=draw(3600, 5 * 3600)) for _ in range(2))
        return Stamp(agent, written, written - before, written + after)
    hour = timedelta(hours=1)
    written = FIRST_DAY + (draw(DAYS) * timedelta(days=1) + draw(9) * hour if named else hour)
    return Stamp(agent, written, written - hour, written + hour)


def quality_score(cmm_level: int, *, has_all_sections: bool = True, has_links: bool = True) -> int:
    """A PDCA's score: 50, +10 per CMM level above 1 (at most 30), +20 all sections, +10 both links."""
    return min(100, 50 + min(30, 10 * (cmm_level - 1)) + 20 * has_all_sections + 10 * has_links)
