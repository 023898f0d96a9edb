"""The tokenizer of a model folder, without transformers: fast start, same tokens, same chat template.

`tokenizers` encodes and the folder's own Jinja template renders chats in a sandbox. Parity with
`transformers.apply_chat_template` is a test.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web4mlx.artifacts import sha256_bytes
from web4mlx.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    "added_tokens.json", "chat_template.jinja", "generation_config.json", "tokenizer.model",
)  # fmt: skip
Message = Mapping[str, Any]


class ChatTokenizer:
    """Encodes text and renders chats as the model in `folder` expects.

    Args:
        folder: A model, merged or adapter folder with `tokenizer.json` and `tokenizer_config.json`.

    Raises:
        MissingPrerequisite: A tokenizer file is missing.
        UsageError: A tokenizer file cannot be read, or no chat template is present.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tokenizer.json", "tokenizer_config.json"):
            if not (folder / name).is_file():
                raise MissingPrerequisite(
                    f"{folder / name}: missing", "Download the base model: `web4mlx download`."
                )
        try:
            self.config: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"{folder / 'tokenizer_config.json'}: not valid JSON") from error
        self.template_source = self._read_template()

    def _read_template(self) -> str:
        separate = self.folder / "chat_template.jinja"
        source = separate.read_text("utf-8") if separate.is_file() else self.config.get("chat_template")
        if isinstance(source, list):
            source = next((item["template"] for item in source if item.get("name") == "default"), None)
        if not isinstance(source, str) or not source.strip():
            raise UsageError(f"{self.folder}: the tokenizer has no chat template")
        return source

    @cached_property
    def backend(self) -> "Tokenizer":
        """The `tokenizers` object."""
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception for any malformed file
            raise UsageError(f"{self.folder / 'tokenizer.json'}: not a tokenizer file: {error}") from error

    @cached_property
    def _template(self) -> Any:
        return compile_chat_template(self.template_source)

    @property
    def end_token(self) -> str:
        """The token that ends an assistant turn, as tokenizer_config.json states it (`eos_token`)."""
        token = self.config.get("eos_token")
        return token["content"] if isinstance(token, dict) else str(token)

    @cached_property
    def end_token_id(self) -> int:
        """Id of `end_token`."""
        token_id = self.backend.token_to_id(self.end_token)
        if token_id is None:
            raise UsageError(f"{self.folder}: end token {self.end_token!r} is not in the vocabulary")
        return token_id

    @property
    def digest(self) -> str:
        """SHA-256 over what decides tokens: tokenizer.json and the chat template."""
        return sha256_bytes((self.folder / "tokenizer.json").read_bytes() + self.template_source.encode())

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; special tokens written in it become their ids, none are added."""
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of many texts, encoded on all cores."""
        encoded = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [item.ids for item in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens included."""
        text: str = self.backend.decode(list(ids), skip_special_tokens=False)
        return text

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """The chat as the model's template writes it.

        Raises:
            UsageError: The template refuses these messages.
        """
        from jinja2 import TemplateError

        special = {
            name: value["content"] if isinstance(value, dict) else value
            for name, value in self.config.items()
            if name.endswith("_token") and isinstance(value, str | dict)
        }
        try:
            text: str = self._template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=add_generation_prompt,
                tools=list(tools) if tools else None,
                **special,
            )
        except TemplateError as error:
            raise UsageError(f"{self.folder}: the chat template refuses the messages: {error}") from error
        return text


def compile_chat_template(source: str) -> Any:
    """A chat template ready to `render(messages=…, add_generation_prompt=…)`, in a sandbox."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **kw: json.dumps(
        value, ensure_ascii=False, indent=kw.get("indent")
    )
    environment.globals["raise_exception"] = _raise_template_error
    return environment.from_string(source)


def _raise_template_error(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)
