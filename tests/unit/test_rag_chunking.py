"""Nothing that is cut exceeds the embedder's window, and nothing is lost."""

from hypothesis import given
from hypothesis import strategies as st

from tests.rag_sources import WordEmbedder
from web4mlx.rag.chunking import split_text
from web4mlx.rag.embedder import Embedder
from web4mlx.rag.embedder_source import packaged_folder


def test_a_short_text_is_one_piece_under_its_title() -> None:
    assert split_text("a b c", WordEmbedder(), "Title: plan") == [("Title: plan\na b c", 7)]
    assert split_text("  \n ", WordEmbedder(), "Title") == []


def test_long_texts_are_cut_between_paragraphs_first() -> None:
    paragraphs = [" ".join(f"w{part}_{word}" for word in range(20)) for part in range(5)]
    pieces = split_text("\n\n".join(paragraphs), WordEmbedder(window=50))
    assert [text for text, _ in pieces] == [
        "\n\n".join(paragraphs[:2]),
        "\n\n".join(paragraphs[2:4]),
        paragraphs[4],
    ]


@given(st.lists(st.text("ab \n", min_size=1, max_size=400), max_size=8), st.integers(10, 60))
def test_every_word_is_in_some_piece_and_no_piece_is_too_long(parts: list[str], window: int) -> None:
    text = "\n\n".join(parts)
    pieces = split_text(text, WordEmbedder(window=window), "the title of it")
    assert all(tokens <= window for _, tokens in pieces)
    kept = " ".join(piece.removeprefix("the title of it") for piece, _ in pieces)
    assert kept.split() == text.split()


def test_the_real_tokenizer_never_sees_too_much() -> None:
    embedder = Embedder(packaged_folder())
    samples = [
        "x" * 5000,
        "ab" * 40 + "==" * 900,
        "🎯" * 700,
        "süß-" * 400,
        "a,b;c." * 300,
        "word " * 900,
        "漢字" * 400,
    ]
    for sample in samples:
        pieces = split_text(sample, embedder, "T" * 3000)
        assert pieces
        assert all(tokens <= embedder.window for _, tokens in pieces)
        assert all(embedder.count_tokens(text) == tokens for text, tokens in pieces)
