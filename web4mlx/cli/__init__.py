"""The command line: one file per command group. Bodies parse, call and render; they own no logic."""
