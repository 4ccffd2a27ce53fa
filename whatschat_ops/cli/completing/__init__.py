"""Completion of the command line in a shell, within a tenth of a second: what a word may be (`words`), what it may be called
(`values`), the shells' side of it (`shells`). Imports neither Typer nor a command: `grammar.json` has what they declare.
"""
