"""`python -m evals`: the same program as the `evals` console script."""

from evals.cli.main import main

if __name__ == "__main__":
    main()
