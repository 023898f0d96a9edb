"""Long texts are counted once, whoever asks, and never more of them are remembered than allowed."""

from concurrent.futures import ThreadPoolExecutor

from web4mlx.assistant.counting import RememberedCounts
from web4mlx.assistant.tool_need import open_detector
from web4mlx.config.serving import AssistantConfig
from web4mlx.serving.asked import parse_asked
from web4mlx.serving.backend import ModelFacts
from web4mlx.serving.injecting import Injector


class Counter:
    """Counts words, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, text: str) -> int:
        self.asked.append(text)
        return len(text.split())


def test_a_long_text_is_counted_once_and_a_short_one_each_time() -> None:
    counter = Counter()
    count = RememberedCounts(counter)
    long, odd = "word " * 100, "\ud800" * 300
    assert [count(long), count(long), count("a b"), count("a b"), count(odd), count(odd)] == [
        100,
        100,
        2,
        2,
        1,
        1,
    ]
    assert counter.asked == [long, "a b", "a b", odd]


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    counter = Counter()
    count = RememberedCounts(counter, most=2)
    texts = [f"{letter} " * 150 for letter in "abc"]
    for text in (texts[0], texts[1], texts[0], texts[2], texts[0], texts[1]):
        assert count(text) == 150
    assert [text[0] for text in counter.asked] == ["a", "b", "c", "b"]


def test_several_threads_get_the_same_counts() -> None:
    count = RememberedCounts(Counter(), most=8)
    texts = [f"w{number} " * (60 + number) for number in range(20)] * 10
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, texts)) == [len(text.split()) for text in texts]


def test_a_chats_earlier_turns_are_not_counted_again() -> None:
    counter = Counter()
    facts = ModelFacts(4096, 64, 0, RememberedCounts(counter), is_exact=True)
    injector = Injector(None, AssistantConfig(), open_detector())
    file = "const x = 1; " * 100
    turns = [f'{{"role": "user", "content": "{file}"}}', '{"role": "assistant", "content": "Yes."}']
    for question in ("What is TRON?", "And CMM?"):
        turns.append(f'{{"role": "user", "content": "{question}"}}')
        raw = f'{{"model": "m", "messages": [{", ".join(turns)}]}}'.encode()
        assert injector.inject(parse_asked("/api/chat", raw), facts).built is not None
    assert counter.asked.count(file) == 1
