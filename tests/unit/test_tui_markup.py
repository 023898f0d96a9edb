"""What others wrote stands on the screen as it is; bars are as long as they are told."""

from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from tui.markup import clip, gauge, plain, safe

TEXTS = st.text(alphabet="[]$a.@#=/\\\"'(1 -*:!,%&{\n", max_size=12) | st.text(max_size=20)


@given(TEXTS)
def test_any_text_can_stand_in_markup(text: str) -> None:
    shown = Content.from_markup(f"[b]{safe(text)}[/] [$muted]y[/]").plain
    assert shown.rstrip() == f"{plain(text)} y".rstrip() or shown == f"{plain(text)}  y"


def test_a_text_gives_the_terminal_no_commands() -> None:
    assert plain("a\x1b[31mb\x07\tc\u202e") == "a [31mb   c "


@given(st.floats(0, 3), st.integers(4, 40), st.floats(0, 3))
def test_a_bar_has_its_width_whatever_it_shows(share: float, width: int, reach: float) -> None:
    drawn = Content.from_markup(gauge(share, width, "red", reach).replace("$line", "blue")).plain
    assert len(drawn) == width
    assert share == 0 or drawn[0] in "━╸"


def test_a_bar_tells_the_usual_from_the_bad_case() -> None:
    assert Content.from_markup(gauge(0.25, 8, "red", 0.5).replace("$line", "blue")).plain == "━━╍╍────"


@given(st.text(max_size=40), st.integers(0, 40))
def test_a_cut_text_keeps_its_beginning_and_its_end(text: str, width: int) -> None:
    cut = clip(text, width)
    assert len(cut) <= width or len(text) <= width
    if len(text) > width >= 8:
        assert cut[0] == text[0]
        assert cut[-1] == text[-1]
