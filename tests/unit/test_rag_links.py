"""Links between documents are resolved in a fixed order, and never guessed."""

from web4mlx.rag.documents import Relationship
from web4mlx.rag.links import Targets, link_targets, resolve_links

A, B, C = "s1/pdca/2025-01-01-UTC-0900-a.md", "s1/pdca/2025-01-01-UTC-1000-b.md", "s2/pdca/c.md"


def pairs(
    documents: dict[str, tuple[tuple[str, str], ...]], copies: dict[str, str] | None = None
) -> set[tuple[str, str]]:
    """Which document precedes which."""
    return {(one.earlier, one.later) for one in resolve_links(documents, copies or {})[0]}


def test_a_relative_path_wins_over_the_url() -> None:
    value = f"[GitHub](https://github.com/o/r/blob/dev/x/{C}) | [§/a](2025-01-01-UTC-0900-a.md)"
    url_first = {A: (), B: (("previous pdca", f"[§/a](2025-01-01-UTC-0900-a.md) | {value}"),), C: ()}
    assert pairs(url_first) == {(A, B)}


def test_a_branch_with_slashes_is_dropped_from_a_url() -> None:
    value = f"[GitHub](https://github.com/o/r/blob/dev/sprint/7/{A})"
    assert pairs({A: (), C: (("previous pdca", value),)}) == {(A, C)}


def test_paths_from_the_root_and_labels_count() -> None:
    assert pairs({A: (), C: (("previous pdca", f"[x](/{A})"),)}) == {(A, C)}
    assert pairs({A: (), C: (("previous pdca", f"[§/{A}](../gone/x.md)"),)}) == {(A, C)}


def test_a_name_counts_when_only_one_document_has_it() -> None:
    assert pairs({A: (), C: (("previous pdca", "[x](old/place/2025-01-01-UTC-0900-a.md)"),)}) == {(A, C)}


def test_an_ambiguous_name_is_reported_and_not_guessed() -> None:
    documents = {"one/x.md": (), "two/x.md": (), C: (("previous pdca", "[x](gone/x.md)"),)}
    relationships, dangling = resolve_links(documents, {})
    assert relationships == []
    assert dangling[0].reason == "ambiguous: 2 documents have this name"


def test_the_same_folder_settles_an_ambiguous_name() -> None:
    documents = {"one/x.md": (), "two/x.md": (), "one/y.md": (("follows", "[x.md]"),)}
    assert pairs(documents) == {("one/x.md", "one/y.md")}


def test_explicit_links_win_and_name_their_origin() -> None:
    documents = {A: (), C: (), B: (("follows", "[c.md]"), ("previous pdca", "[a](2025-01-01-UTC-0900-a.md)"))}
    relationships, _ = resolve_links(documents, {})
    assert relationships == [Relationship(C, B, f"FOLLOWS of {B}")]


def test_precedes_is_the_inverse_and_may_name_several() -> None:
    documents = {A: (("precedes", "[2025-01-01-UTC-1000-b.md] [c.md]"),), B: (("follows", f"[{A}]"),), C: ()}
    assert pairs(documents) == {(A, B), (A, C)}


def test_none_is_no_link_and_a_missing_document_dangles() -> None:
    for value in ("none", "N/A", "N/A - first of its chain", "–", "**none**"):
        assert resolve_links({A: (("follows", value),)}, {}) == ([], [])
    assert resolve_links({A: (("follows", "[gone.md]"),)}, {})[1][0].reason == "no such document"


def test_a_copy_stands_for_its_original() -> None:
    assert pairs({A: (), C: (("previous pdca", "[x](copy.md)"),)}, {"s2/pdca/copy.md": A}) == {(A, C)}


def test_self_loops_are_kept_for_the_graph_to_guard() -> None:
    assert pairs({A: (("follows", f"[{A}]"),)}) == {(A, A)}


def test_strange_urls_are_no_error() -> None:
    assert link_targets("[a](<b c.md>)") == [("a", "b c.md")]
    assert Targets([A], {}).resolve(B, "", "https://[broken") == ("", "no such document")
