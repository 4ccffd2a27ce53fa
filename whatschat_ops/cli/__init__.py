"""The command line: parse, call one feature, show the result. Nothing else lives here."""
