"""Usage from logs: access lines as sessions and minutes, messages by route, and what functions and broadcasts sent.

lines.py      a line of any log as a row of one table
questions.py  what is asked of that table, in SQL that DuckDB and Athena share
measuring.py  the answers as a measurement
importing.py  files into Parquet, once
group.py      CloudWatch log groups into the same table
journals.py   what broadcasts sent
athena.py     the questions on Amazon Athena
"""
