"""Imports for tests: a cleared GGUF with its reports, and what was in production before."""

from pathlib import Path

from tests.cleared_reports import Evaluation, evaluate
from tests.ollama_double.agent import write_agent, write_agent_modelfile
from web4mlx.deploy.importing import ImportPlan, plan_import
from web4mlx.deploy.names import parse_model_name
from web4mlx.engines.ollama_server import OllamaServer

NAME = parse_model_name("web4-agent")


def prepare(folder: Path, *words: str) -> tuple[ImportPlan, Evaluation]:
    """A cleared GGUF with its reports."""
    folder.mkdir(exist_ok=True)
    gguf = (
        write_agent(folder / "web4-agent.gguf", words) if words else write_agent(folder / "web4-agent.gguf")
    )
    modelfile = write_agent_modelfile(folder / "configured.Modelfile")
    evaluation = evaluate(gguf, modelfile)
    return plan_import(gguf, NAME, folder / "configured.Modelfile", evaluation.suite), evaluation


def production(server: OllamaServer) -> str:
    return server.digests().get(str(NAME), "")


def put_old_model(server: OllamaServer, folder: Path) -> str:
    """A model that is in production before; returns its digest."""
    folder.mkdir(exist_ok=True)
    old = write_agent(folder / "old.gguf", ("Old", " words."))
    digest = server.client.create_blob(old)
    server.client.create(str(NAME), files={"old.gguf": digest}, system="Old.")
    return production(server)
