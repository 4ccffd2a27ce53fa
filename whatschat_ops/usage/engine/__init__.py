"""Files of any size as tables, in a fixed amount of memory.

database.py   one DuckDB, with limits
inputs.py     paths, folders, globs and s3:// as files
formats.py    what is in a file: JSON lines, CSV or Parquet, gz or zst
repairing.py  a damaged file, line by line: what can be used of it
staging.py    files -> Parquet pieces -> a view
"""
