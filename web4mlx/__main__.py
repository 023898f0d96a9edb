"""`python -m web4mlx`: the same program as the `web4mlx` console script."""

from web4mlx.cli.main import main

if __name__ == "__main__":
    main()
