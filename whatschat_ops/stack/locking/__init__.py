"""The lock of a stack: a lease in DynamoDB that one process holds while it changes the stack."""
