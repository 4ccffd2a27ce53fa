"""The logs of the WebSocket API: one reader for the functions' log groups and the stage's access log."""
