"""Token counts of samples: of their own texts, and of the training rows they become.

A row's length is counted without encoding the system prompt for each sample; it equals the length of
`chat.render_sample` (a test compares them).
"""

from collections.abc import Sequence

from web4mlx.data.chat import split_chat
from web4mlx.data.samples import Sample
from web4mlx.errors import UsageError
from web4mlx.models.tokenizer import ChatTokenizer

MARK = "\u2021mark\u2021"


class RowFrame:
    """What the chat template puts around a sample's task and answer.

    Only the text between the nearest control tokens is encoded with the task or the answer, since a
    tokenizer never joins text across a control token; all else is counted once.

    Args:
        tokenizer: The base's tokenizer.
        system: The system prompt that each sample carries.

    Raises:
        UsageError: The template does not keep earlier turns, or alters the texts.
    """

    def __init__(self, tokenizer: ChatTokenizer, system: str) -> None:
        self.tokenizer = tokenizer
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": MARK},
            {"role": "assistant", "content": MARK},
        ]
        prompt, answer = (segment.text for segment in split_chat(tokenizer, messages))
        if prompt.count(MARK) != 1 or answer.count(MARK) != 1:
            raise UsageError(f"{tokenizer.folder}: the chat template alters the texts of the messages")
        decoder = tokenizer.backend.get_added_tokens_decoder()
        special = sorted({str(token.content) for token in decoder.values() if token.special})
        self.control_tokens = tuple(
            token for token in special if token in prompt.replace(system, "") + answer
        )
        self.task_frame, task_fixed = self._cut(prompt)
        self.answer_frame, answer_fixed = self._cut(answer)
        self.fixed_tokens = task_fixed + answer_fixed

    def _cut(self, text: str) -> tuple[tuple[str, str], int]:
        """The texts that are encoded together with the content, and the number of tokens of the rest."""
        before, after = text.split(MARK)
        ends = [before.rfind(token) + len(token) for token in self.control_tokens if token in before]
        starts = [after.find(token) for token in self.control_tokens if token in after]
        start, end = max(ends, default=0), min(starts, default=len(after))
        fixed = len(self.tokenizer.encode(before[:start])) + len(self.tokenizer.encode(after[end:]))
        return (before[start:], after[:end]), fixed

    def count(self, samples: Sequence[Sample]) -> list[tuple[int, int]]:
        """Per sample: tokens of its own texts, and tokens of its whole training row."""
        frames = (self.task_frame, self.answer_frame)
        empty = sum(len(self.tokenizer.encode(before + after)) for before, after in frames)
        texts = []
        for sample in samples:
            task, answer = (message["content"] for message in sample.messages("")[1:])
            texts += [task.join(self.task_frame), answer.join(self.answer_frame)]
        lengths = [len(ids) for ids in self.tokenizer.encode_batch(texts)]
        both = [lengths[index] + lengths[index + 1] for index in range(0, len(lengths), 2)]
        return [(count - empty, count + self.fixed_tokens) for count in both]

    def control_token_in(self, text: str) -> str:
        """The first control token of the template that a text holds, or an empty string."""
        return next((token for token in self.control_tokens if token in text), "")
