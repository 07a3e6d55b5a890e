"""One command at a time on a fleet: its record, its turn, and what an earlier one left unfinished."""
