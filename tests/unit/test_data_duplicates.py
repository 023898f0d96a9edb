"""Near copies: the index proposes what the true similarity confirms."""

import random

import numpy as np
import pytest

from tests.data_files import make_text
from web4mlx.data.duplicates import PERMUTATIONS, Match, NearIndex, choose_bands, shingle, sign, similarity


def index_of(texts: list[str], threshold: float) -> NearIndex:
    shingles = [shingle(text) for text in texts]
    return NearIndex(threshold, shingles, np.stack([sign(one) for one in shingles]), 0.99)


def replace_words(text: str, count: int) -> str:
    words = text.split()
    for place in random.Random(count).sample(range(len(words)), count):
        words[place] = f"new{place}"
    return " ".join(words)


def test_case_space_and_punctuation_do_not_matter() -> None:
    assert (
        similarity(
            shingle("Let the INIT configure; the object"), shingle("let the init\nconfigure the  object.")
        )
        == 1
    )


def test_word_order_matters() -> None:
    assert similarity(shingle("one two three four five six"), shingle("six five four three two one")) == 0


@pytest.mark.parametrize("text", ["", "?!", "one", "one two three"])
def test_short_texts_have_one_shingle(text: str) -> None:
    assert len(shingle(text)) == 1


def test_short_texts_without_words_are_still_told_apart() -> None:
    assert similarity(shingle("?!"), shingle("!?")) == 0


def test_similarity_is_that_of_the_sets() -> None:
    one, other = np.array([1, 2, 3, 4], np.uint32), np.array([3, 4, 5], np.uint32)
    assert similarity(one, other) == pytest.approx(2 / 5)


def test_the_index_finds_a_row_exactly_where_brute_force_does() -> None:
    threshold = 0.85
    originals = [make_text(n, 150) for n in range(60)]
    texts = originals + [replace_words(text, n % 9) for n, text in enumerate(originals)]
    index = index_of(texts, threshold)
    verdicts = []
    for row in range(len(texts)):
        match = index.find(row)
        true = [similarity(index.shingles[row], index.shingles[other]) for other in range(row)]
        verdicts.append(match is not None)
        assert (match is not None) == any(value >= threshold for value in true)
        assert match is None or match.similarity == true[match.row]
        index.add(row)
    assert 15 <= sum(verdicts) <= 45


def test_the_most_similar_row_is_found_first() -> None:
    text = make_text("a", 150)
    index = index_of([replace_words(text, 3), text, text.upper()], 0.6)
    index.add(0)
    index.add(1)
    assert index.find(2) == Match(1, 1.0)


@pytest.mark.parametrize("threshold", [0.51, 0.7, 0.85, 0.95, 1.0])
def test_bands_propose_pairs_at_the_threshold(threshold: float) -> None:
    bands, size = choose_bands(threshold, 0.99)
    assert bands * size <= PERMUTATIONS
    assert bands >= 2
    assert 1 - (1 - threshold**size) ** bands >= 0.99
