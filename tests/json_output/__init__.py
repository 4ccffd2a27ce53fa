"""The published JSON Schemas of `--json`: what each command prints (`results`), and the schema of a type (`schemas`)."""
