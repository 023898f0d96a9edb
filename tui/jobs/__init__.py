"""Jobs: commands of `web4mlx` and `evals` as detached processes that outlive the dashboard."""
