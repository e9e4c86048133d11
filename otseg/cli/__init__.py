"""The command line: one file per command; what they share is in `_common.py`, `main.py` assembles them."""
