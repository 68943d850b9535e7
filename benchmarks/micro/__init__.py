"""Microbenchmarks of single steps, in one thread and with no socket: ``make bench ARGS=micro``."""
