"""The terminal: output, live displays, keys and interrupts."""
