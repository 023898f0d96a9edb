"""The six harnesses, one file each; `base.py` says what a harness is."""
