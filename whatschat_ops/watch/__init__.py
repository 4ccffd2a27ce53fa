"""A live view of the stack: what it is made of (`snapshot`), read (`sources`, `collector`), recorded (`record`) and shown (`plain`, `screen`)."""
