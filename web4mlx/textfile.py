"""Reading a text file that a user wrote, with an error that says what is wrong with it."""

from collections.abc import Callable
from pathlib import Path

from web4mlx.errors import MissingPrerequisite, UsageError


def decode_utf8(raw: bytes) -> str:
    """The text of UTF-8 bytes, without a byte order mark.

    Raises:
        UnicodeDecodeError: They are not UTF-8.
    """
    return raw.decode("utf-8-sig")


def read_text(path: Path, missing: str, decode: Callable[[bytes], str] = decode_utf8) -> str:
    """The text of a file.

    Args:
        path: The file.
        missing: What to say when there is none.
        decode: From bytes to text; raises UnicodeDecodeError for what is no text.

    Raises:
        MissingPrerequisite: There is no such file.
        UsageError: It cannot be read, or is no text.
    """
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as error:
        raise MissingPrerequisite(missing) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a UTF-8 text file") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
