"""The words that decide about tools and history: a data file, checked when it is read."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from web4mlx.errors import Problems, UsageError
from web4mlx.textfile import read_text

SHIPPED = Path(__file__).parent / "data" / "tool_need.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileWords(_Table):
    """How a file or folder is recognised, and the articles that make it a mere example."""

    extensions: tuple[str, ...]
    not_files: tuple[str, ...]
    folders: tuple[str, ...]
    names: tuple[str, ...]
    indefinite: tuple[str, ...]


class PlaceWords(_Table):
    """Words for the user's project and folders."""

    words: tuple[str, ...]


class ConceptWords(_Table):
    """How questions about knowledge begin."""

    openings: tuple[str, ...]


class RequestWords(_Table):
    """What may stand before the verb of a request."""

    softeners: tuple[str, ...]


class ToolWords(_Table):
    """What asks for one tool, and its other names."""

    names: tuple[str, ...]
    takes_files: bool
    takes_places: bool
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    phrases: tuple[str, ...]


class HistoryWords(_Table):
    """What asks for the team's past."""

    phrases: tuple[str, ...]


class Rules(_Table):
    """The content of the data file."""

    version: int
    files: FileWords
    places: PlaceWords
    concept: ConceptWords
    requests: RequestWords
    tools: dict[str, ToolWords]
    history: HistoryWords


def read_rules(path: Path) -> Rules:
    """Read a file of rules.

    Raises:
        MissingPrerequisite: There is none.
        UsageError: It is no TOML; says where.
        Problems: A key is missing, unknown or of the wrong type; lists all.
    """
    import tomli

    text = read_text(path, f"{path}: no such file of tool rules")
    try:
        return Rules.model_validate(tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise Problems(str(path), problems, f"Compare it with {SHIPPED.name} of the package.") from error
