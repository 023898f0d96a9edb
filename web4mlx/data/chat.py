"""From a chat to a training row: token ids, and the mask of the tokens the model learns to produce.

Each assistant turn is encoded apart from what precedes it, exactly as at generation time, where the prompt
is encoded alone. Supervised are the tokens of every answer and the end token behind it, nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from web4mlx.data.samples import Sample
from web4mlx.errors import UsageError
from web4mlx.models.tokenizer import ChatTokenizer, Message


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: `mask[i]` is true when token `i` is one the model learns to produce."""

    tokens: tuple[int, ...]
    mask: tuple[bool, ...]
    sample_id: str = ""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def supervised(self) -> int:
        """Number of supervised tokens."""
        return sum(self.mask)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered chat that is encoded on its own."""

    text: str
    is_answer: bool


def split_chat(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> list[Segment]:
    """Cut a rendered chat into prompts and answers (each answer with its end token).

    What the template writes behind the last end token is dropped, so that a row ends with it.

    Raises:
        UsageError: The template does not render a chat as a prefix of its continuation, so that the
            answers cannot be located.
    """
    segments: list[Segment] = []
    done = ""
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = tokenizer.render(messages[:index], add_generation_prompt=True)
        through = tokenizer.render(messages[: index + 1])
        end = through.rfind(tokenizer.end_token) + len(tokenizer.end_token)
        if not prompt.startswith(done) or not through.startswith(prompt) or end <= len(prompt):
            raise UsageError(
                f"{tokenizer.folder}: the chat template changes earlier turns when a turn is added",
                "Use a base model whose template appends turns, as ChatML does.",
            )
        segments.append(Segment(prompt[len(done) :], is_answer=False))
        segments.append(Segment(through[len(prompt) : end], is_answer=True))
        done = through[:end]
    return segments


def join_segments(segments: Sequence[Segment], encoded: Sequence[Sequence[int]], sample_id: str = "") -> Row:
    """Put the encoded segments of a chat together into a row."""
    tokens: list[int] = []
    mask: list[bool] = []
    for segment, ids in zip(segments, encoded, strict=True):
        tokens.extend(ids)
        mask.extend([segment.is_answer] * len(ids))
    return Row(tuple(tokens), tuple(mask), sample_id)


def render_chat(tokenizer: ChatTokenizer, messages: Sequence[Message], sample_id: str = "") -> Row:
    """Render and encode one chat of any number of turns."""
    segments = split_chat(tokenizer, messages)
    return join_segments(segments, [tokenizer.encode(segment.text) for segment in segments], sample_id)


def render_sample(tokenizer: ChatTokenizer, sample: Sample, system: str) -> Row:
    """Render and encode one sample with the system prompt of the Modelfile."""
    return render_chat(tokenizer, sample.messages(system), sample.sample_id)
