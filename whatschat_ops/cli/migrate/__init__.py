"""`migrate`: from the old paths of messages and calls to API Gateway and Chime, for a share of the users at a time."""
