"""Near copies: the index proposes what the true similarity confirms."""

import random

import numpy as np
import pytest

from tests.data_files import make_text
from web4mlx.data.duplicates import PERMUTATIONS, NearIndex, choose_bands, shingle, sign, similarity


def index_of(texts: list[str], threshold: float) -> NearIndex:
    shingles = [shingle(text) for text in texts]
    return NearIndex(threshold, shingles, np.stack([sign(one) for one in shingles]))


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


def test_the_index_finds_what_brute_force_finds() -> None:
    threshold = 0.85
    originals = [make_text(n, 150) for n in range(40)]
    texts = originals + [replace_words(text, n % 8) for n, text in enumerate(originals)]
    index = index_of(texts, threshold)
    missed = wrong = pairs = 0
    for row in range(len(texts)):
        found = {match.row for match in index.all(row)}
        true = {
            other
            for other in range(row)
            if similarity(index.shingles[row], index.shingles[other]) >= threshold
        }
        pairs += len(true)
        missed += len(true - found)
        wrong += len(found - true)
        index.add(row)
    assert pairs >= 15
    assert (missed, wrong) == (0, 0)


def test_rows_of_one_signature_are_all_found_and_the_best_is_one() -> None:
    texts = [
        "the same words in this row",
        "The same words, in this row",
        "the SAME words in this row!",
        "other",
    ]
    index = index_of(texts, 0.85)
    for row in (0, 1, 3):
        index.add(row)
    assert [match.row for match in index.all(2)] == [0, 1]
    best = index.best(2)
    assert best is not None
    assert best.similarity == 1
    assert index.best(3) == index.all(3)[0]


@pytest.mark.parametrize("threshold", [0.51, 0.7, 0.85, 0.95, 1.0])
def test_bands_propose_pairs_at_the_threshold(threshold: float) -> None:
    bands, size = choose_bands(threshold)
    assert bands * size <= PERMUTATIONS
    assert bands >= 2
    assert 1 - (1 - threshold**size) ** bands >= 0.99
