"""The contestants: each module is the main program of one process. Nothing is imported here."""
