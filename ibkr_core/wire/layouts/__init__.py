"""The text layouts, one table a message, by theme."""
