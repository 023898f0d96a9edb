"""`web4mlx rag` called here, in this process."""

import typer
from typer.testing import CliRunner

from web4mlx.cli.rag import register


def run(*arguments: str) -> str:
    """The command's stdout; errors for the user are raised as they reach the program's edge."""
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["rag", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
