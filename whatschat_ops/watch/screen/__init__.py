"""The view of `watch` in a terminal. The only place that imports Textual, which the extra `watch` brings."""
