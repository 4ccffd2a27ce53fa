"""The deployed functions: list and invoke them, their versions, and the alias `live`."""
