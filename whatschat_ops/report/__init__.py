"""Self-contained HTML pages: charts as SVG, no scripts and no network needed."""
