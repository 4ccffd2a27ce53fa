"""Bills of AWS: Cost and Usage Reports, FOCUS exports and Cost Explorer's answers -> sums by usage type, day and price. Files are read by DuckDB."""
