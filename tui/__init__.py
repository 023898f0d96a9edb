"""The terminal dashboard's package: watches and drives what `web4mlx` and `evals` do."""
