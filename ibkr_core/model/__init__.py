"""Frozen values and enums that everything else is written in."""
