from hypothesis import given
from hypothesis import strategies as st

from web4mlx.engines.stops import StopFilter

LETTERS = st.text("abc", max_size=12)


@given(LETTERS, st.lists(st.text("abc", min_size=1, max_size=3), max_size=3), st.integers(1, 4))
def test_the_text_ends_at_the_first_stop_however_it_arrives(text: str, stops: list[str], size: int) -> None:
    kept = StopFilter(stops)
    pieces = [kept.push(text[at : at + size]) for at in range(0, len(text), size)]
    released = "".join(pieces)
    whole = released + kept.flush()
    assert not any(stop in released for stop in stops)
    if not any(stop in text for stop in stops):
        assert whole == text
        assert not kept.is_stopped
    else:
        assert kept.is_stopped
        assert text.startswith(whole)
        assert any(text[len(whole) :].startswith(stop) for stop in stops)


def test_a_beginning_of_a_stop_is_held_until_it_is_decided() -> None:
    kept = StopFilter(["<|im_end|>"])
    assert kept.push("done <|im") == "done "
    assert kept.push("possible") == "<|impossible"
    assert kept.push(" <|im_end") == " "
    assert kept.push("|> more") == ""
    assert kept.is_stopped
    assert kept.push("more") == kept.flush() == ""
