"""The canaries, as a harness."""

from evals.canaries import HARNESS

__all__ = ["HARNESS"]
