"""The tolerant parser reads PDCAs in every form in which people wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rag_sources import MODERN, OLD, TEMPLATE
from web4mlx.rag.links import link_targets
from web4mlx.rag.pdca import common_spellings, is_pdca_by_content, quality_score, read_pdca

NAME = "2025-10-27-UTC-1415-version.md"


def test_emoji_and_bold_headings_of_any_level_open_sections() -> None:
    found = read_pdca(NAME, MODERN)
    assert list(found.sections) == ["plan", "do", "check", "objective"]
    assert found.sections["do"] == "Pinned them."
    assert found.sections["objective"] == "Solve the version conflict of components"
    assert not found.has_all_sections


def test_headings_inside_fences_are_text() -> None:
    plan = read_pdca(NAME, MODERN).sections["plan"]
    assert "## Do" in plan
    assert "# Do not parse this" in plan


def test_header_fields_end_at_the_arrow_and_lose_their_markup() -> None:
    found = read_pdca(NAME, MODERN)
    assert (found.agent_name, found.agent_role, found.cmm_level) == ("Save/Restart Agent", "Developer", 3)
    assert found.moment.date == "2025-10-27"
    assert found.title == "PDCA Cycle: Component versioning conflicts"


def test_a_persons_feedback_is_kept_word_for_word() -> None:
    found = read_pdca(NAME, MODERN)
    assert found.tron_feedback == "please never guess\na version number"
    assert "We pinned everything." in found.rest
    assert "Agent Name" not in found.rest


def test_plain_headers_and_numbered_headings_of_old_documents() -> None:
    found = read_pdca("notes.md", OLD)
    assert found.has_all_sections
    assert found.agent_name == "SaveRestartAgent"
    assert found.fields["session_id"] == "s-1"
    assert found.sections["check"] == "It was read."


def test_fields_of_bullets_count_and_the_name_signs_where_no_field_does() -> None:
    found = read_pdca("20251028-101500-Bo.Tester.pdca.md", TEMPLATE)
    assert (found.agent_name, found.agent_role) == ("Ada", "Developer")
    unsigned = read_pdca("20251028-101500-Bo.Tester.pdca.md", "# PDCA\n## Plan\nx\n")
    assert (unsigned.agent_name, unsigned.agent_role) == ("Bo", "Tester")


TABLE = """\
# PDCA of the importer

| Field | Value |
|:------|-------|
| **👤 Agent Name** | Save/Restart Agent → versioning |
| Date: | 2025-10-27 |
| **🎯 Objective** | Import `a \\| b` |
| CMM Level | 3 |
| 🔗 Previous PDCA | [GitHub](https://x.org/a/blob/dev/pdca/a.md) | [§/a](a.md) |

## Plan
| Agent | Task |
|---|---|
| Bo | none of the header |
"""


def test_fields_in_the_rows_of_a_table_count() -> None:
    found = read_pdca("x.md", TABLE)
    assert (found.agent_name, found.moment.date, found.cmm_level) == ("Save/Restart Agent", "2025-10-27", 3)
    assert found.sections["objective"] == "Import a | b"
    assert link_targets(found.links[0][1]) == [
        ("GitHub", "https://x.org/a/blob/dev/pdca/a.md"),
        ("§/a", "a.md"),
    ]
    assert "none of the header" in found.sections["plan"]
    assert found.rest == ""


@pytest.mark.parametrize(
    "table",
    [
        "| Agent | Role | Date |\n|---|---|---|\n| Ada | Tester | 2025-01-02 |",
        "Agent | Role\n--|--\nAda | Tester\n\n- Date: 2025-01-02",
        "| Agent | Ada |\n|---|---|\n| Role | Tester |\n| Created | 2025-01-02 |",
    ],
)
def test_fields_side_by_side_and_in_the_first_row_count(table: str) -> None:
    found = read_pdca("x.md", f"# PDCA\n{table}\n\n## Plan\nx\n")
    assert (found.agent_name, found.agent_role, found.moment.date) == ("Ada", "Tester", "2025-01-02")


def test_tables_of_other_things_and_quoted_ones_are_text() -> None:
    text = (
        "# PDCA\n\n| File | Lines |\n|---|---|\n| a.ts | 3 |\n\n> | Agent | Bo |\n> |---|---|\n\n## Plan\nx\n"
    )
    found = read_pdca("x.md", text)
    assert found.agent_name == ""
    assert "| a.ts | 3 |" in found.rest


def test_front_matter_is_a_header_and_no_heading() -> None:
    found = read_pdca("x.md", "---\nagent: Ada\nsprint: s-1\n---\n# PDCA\n## Plan\nx\n")
    assert (found.agent_name, found.fields["sprint"], found.rest) == ("Ada", "s-1", "")


@pytest.mark.parametrize("title", ["Do not use Jest", "Planning poker", "Check-in of guests", "Action items"])
def test_words_that_only_begin_like_a_section_open_none(title: str) -> None:
    found = read_pdca("x.md", f"# PDCA\n## Plan\nwork\n### {title}\nmore\n")
    assert list(found.sections) == ["plan"]
    assert "more" in found.sections["plan"]


def test_a_section_that_stands_twice_is_joined() -> None:
    found = read_pdca("x.md", "# PDCA\n## Do\none\n## Check\nc\n## Do\ntwo\n")
    assert found.sections["do"] == "one\n\ntwo"


def test_only_real_pdcas_are_known_by_content() -> None:
    assert is_pdca_by_content(OLD)
    assert is_pdca_by_content(MODERN)
    assert not is_pdca_by_content("# About PDCA\n\n## Plan\n\nWe plan.\n")
    assert not is_pdca_by_content("# Guide\n## Plan\n## Do\n## Check\n## Act\n")
    assert not is_pdca_by_content("# PDCA\n```\n## Plan\n## Do\n## Check\n```\n")


@given(st.text(alphabet=st.sampled_from("#*>`-: \nPlanDoCheckAct|[]()→📋ß"), max_size=300))
def test_no_document_is_an_error(text: str) -> None:
    found = read_pdca("x.md", text)
    assert set(found.sections) <= {"objective", "plan", "do", "check", "act"}


@pytest.mark.parametrize(
    ("level", "sections", "links", "score"),
    [
        (0, False, False, 50),
        (1, False, False, 50),
        (3, True, False, 90),
        (4, True, True, 100),
        (2, False, True, 70),
    ],
)
def test_the_quality_score_is_the_published_sum(level: int, sections: bool, links: bool, score: int) -> None:
    assert quality_score(level, has_all_sections=sections, has_both_links=links) == score


def test_the_spelling_that_is_used_most_stands_for_all() -> None:
    found = common_spellings(["Ada Agent", "AdaAgent", "AdaAgent", "", "Bo"])
    assert found == {"adaagent": "AdaAgent", "bo": "Bo"}
