"""Who gets a broadcast: the selection of connections, read page by page and never held in memory."""
