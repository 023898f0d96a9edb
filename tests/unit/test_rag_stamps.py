"""Names and headers of documents tell when and by whom they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web4mlx.rag.stamps import fold_agent, read_moment, read_signature


@pytest.mark.parametrize(
    ("text", "date", "timestamp", "is_exact"),
    [
        ("2025-10-27-UTC-1415-version.md", "2025-10-27", 1761574500, True),
        ("2025-10-27-UTC-1415.md", "2025-10-27", 1761574500, True),
        ("2025-10-27-UTC-141530-x.md", "2025-10-27", 1761574530, True),
        ("20251027-141500-Ada.Developer.pdca.md", "2025-10-27", 1761574500, True),
        ("2025-10-27.md", "2025-10-27", 1761523200, True),
        ("2025-10-27-slug-of-2024.md", "2025-10-27", 1761523200, True),
        ("Date: 2025-10-27 14:15 UTC", "2025-10-27", 1761574500, True),
        ("2025-10-27-UTC-2415-odd.md", "2025-10-27", 1761523200, False),
        ("20251027-996000-Ada.Developer.pdca.md", "2025-10-27", 1761523200, False),
    ],
)
def test_every_form_of_name_is_read(text: str, date: str, timestamp: int, is_exact: bool) -> None:
    moment = read_moment(text)
    assert moment is not None
    assert (moment.date, moment.timestamp, moment.is_exact) == (date, timestamp, is_exact)


@pytest.mark.parametrize("text", ["2025-13-01-x.md", "2025-06-31.md", "notes.md", "", "12345678901234"])
def test_what_is_no_day_is_no_date(text: str) -> None:
    assert read_moment(text) is None


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    moment = read_moment(text)
    assert moment is None or len(moment.date) == 10


def test_the_agent_may_sign_in_the_name() -> None:
    assert read_signature("20251027-141500-Ada.Developer.pdca.md") == ("Ada", "Developer")
    assert read_signature("2025-10-27-UTC-1415-version.md") == ("", "")


def test_spellings_of_an_agent_are_one() -> None:
    assert (
        fold_agent("Save/Restart Agent") == fold_agent("SaveRestartAgent") == fold_agent("save-restart agent")
    )
