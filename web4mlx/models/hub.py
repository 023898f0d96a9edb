"""The Hugging Face Hub behind one small interface: what a model consists of, and the bytes of a file.

Nothing else of the base models talks to the Hub. Errors of the library become ours here: no network, offline
mode, unknown model or revision, access refused.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

from web4mlx.errors import MissingPrerequisite, UsageError

WANTED = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "tokenizer.model", "chat_template.jinja", "LICENSE",
)  # fmt: skip
CONNECT_TIMEOUT_S = 5.0
TRUE_WORDS = ("1", "true", "yes", "on")


class NoNetwork(MissingPrerequisite):
    """The Hub cannot be reached now."""


@dataclass(frozen=True)
class HubFile:
    """A file of a model: large files have a SHA-256, small ones the SHA-1 that git gives them."""

    name: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class HubModel:
    """A model at one commit, with the files that are needed of it."""

    hub_id: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


class Hub(Protocol):
    """Where base models come from."""

    def describe(self, hub_id: str, revision: str | None) -> HubModel:
        """Resolve a revision (branch, tag or commit; None: the default branch) and list the needed files."""
        ...

    def fetch(self, model: HubModel, file: HubFile, target: Path, report: Callable[[int], None]) -> None:
        """Append to `target` the bytes of a file that it lacks; `report` gets the bytes it then holds."""
        ...


def is_offline() -> bool:
    """Whether the user forbids the Hub by HF_HUB_OFFLINE."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE_WORDS


def is_wanted(name: str) -> bool:
    """Whether a file of a model's repository is needed: weights as safetensors, configuration, tokenizer."""
    return "/" not in name and any(fnmatch(name, pattern) for pattern in WANTED)


class ReportingFile(io.FileIO):
    """A file that reports its position after each write."""

    def __init__(self, path: Path, report: Callable[[int], None]) -> None:
        super().__init__(path, "r+b" if path.exists() else "w+b")
        self._report = report

    def write(self, data: Any) -> int:
        """Write all of the data; a raw file may take a part only."""
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) or 0 :]
        self._report(self.tell())
        return len(data)


class HuggingFaceHub:
    """The Hub through huggingface_hub.

    Files are fetched one by one with byte ranges rather than by snapshot_download, which starts an
    interrupted file again from nothing: a shard of the 7B is 4 GB.
    """

    def __init__(self, endpoint: str | None = None) -> None:
        self.endpoint = endpoint or os.environ.get("HF_ENDPOINT")
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

    def describe(self, hub_id: str, revision: str | None) -> HubModel:
        """Ask the Hub for the commit and the files of a model."""
        from huggingface_hub import HfApi

        with explain_hub_errors(hub_id, revision):
            info = HfApi(endpoint=self.endpoint).model_info(
                hub_id, revision=revision, files_metadata=True, timeout=CONNECT_TIMEOUT_S
            )
        files = tuple(
            HubFile(
                name=item.rfilename,
                size_bytes=int((item.lfs.size if item.lfs else item.size) or 0),
                sha256=item.lfs.sha256 if item.lfs else None,
                git_sha1=None if item.lfs else item.blob_id,
            )
            for item in info.siblings or []
            if is_wanted(item.rfilename)
        )
        if not any(file.name.endswith(".safetensors") for file in files):
            raise UsageError(
                f"{hub_id} has no safetensors weights", "Other formats are not loaded, for safety."
            )
        return HubModel(hub_id, str(info.sha), files)

    def fetch(self, model: HubModel, file: HubFile, target: Path, report: Callable[[int], None]) -> None:
        """Fetch what is missing of a file with a range request; the library retries broken connections."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers, disable_progress_bars

        disable_progress_bars("huggingface_hub.http_get")
        url = hf_hub_url(model.hub_id, file.name, revision=model.commit, endpoint=self.endpoint)
        # Ranges count bytes of the file itself, so it must not come compressed.
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}
        with explain_hub_errors(model.hub_id, model.commit), ReportingFile(target, report) as sink:
            start = sink.seek(0, io.SEEK_END)
            http_get(url, sink, resume_size=start, headers=headers, expected_size=file.size_bytes)


@contextmanager
def explain_hub_errors(hub_id: str, revision: str | None) -> Iterator[None]:
    """Turn the library's errors into ours."""
    import httpx2
    from huggingface_hub import errors

    again = "What was fetched is kept: run the same command again, and it goes on from there."
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise NoNetwork(f"cannot fetch {hub_id}: HF_HUB_OFFLINE is set", "Unset it to download.") from error
    except errors.GatedRepoError as error:
        raise MissingPrerequisite(
            f"{hub_id} is gated: its owner must grant you access",
            "Ask for access on the model's page, then log in with `hf auth login`.",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"{hub_id} has no revision {revision!r}", "Check --revision.") from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"the Hub has no model {hub_id!r}, or it is private",
            "Check the spelling (owner/name); for a private model log in with `hf auth login`.",
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise NoNetwork(f"the Hub answered {status} for {hub_id}", f"Try again later. {again}") from error
    except errors.HFValidationError as error:
        raise UsageError(f"{hub_id!r} is not a Hub id (owner/name)") from error
    except httpx2.RequestError as error:
        raise NoNetwork(
            f"cannot reach the Hugging Face Hub for {hub_id}: {type(error).__name__}: {error}",
            f"Check the network or proxy. {again}",
        ) from error
    except ValueError as error:
        raise NoNetwork(
            f"what answered for the Hub is not the Hub: {error}", "Is a proxy's login page in between?"
        ) from error
    except OSError as error:
        if error.errno is not None:  # the disk's, not the library's complaint about a short answer
            raise
        raise NoNetwork(f"the Hub sent less than it announced: {error}", again) from error
