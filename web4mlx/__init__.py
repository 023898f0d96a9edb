"""web4mlx: train a code model on a team's samples, prove that it is good, and only then ship it.

The package owns everything from samples to a deployed model. `evals` and `tui` build on it and are
never imported from here. Nothing heavy is imported at module import.
"""

__version__ = "0.1.0"
