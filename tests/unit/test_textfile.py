"""What is wrong with a text file is said in the same words whoever reads it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from web4mlx.config import load_config
from web4mlx.data.selection import read_selection
from web4mlx.errors import MissingPrerequisite, UsageError
from web4mlx.modelfile import read_modelfile
from web4mlx.textfile import read_text

READERS: list[Callable[[Path], object]] = [
    load_config,
    read_selection,
    read_modelfile,
    lambda path: read_text(path, f"{path}: no such file"),
]


@pytest.mark.parametrize("read", READERS)
def test_what_is_wrong_with_a_file_is_said(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.raises(MissingPrerequisite, match=r"/file'?: no such "):
        read(file)
    file.write_bytes(b"FROM x\n\xff\xff")
    with pytest.raises(UsageError, match=r"/file: not a UTF-8 text file"):
        read(file)
    with pytest.raises(UsageError, match=rf"^{tmp_path}: cannot be read: Is a directory"):
        read(tmp_path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe\r\n")
    assert read_text(file, "") == "Grüße\r\n"
