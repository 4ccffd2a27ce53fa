"""The migration from the old path to this stack: phases, shares of users, and the gate between them."""
