"""The commands that work on the stack as a whole, and `lambda`, `iam`, `table` and `export`."""
