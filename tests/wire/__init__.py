"""Tests of the wire; a package, so that its helpers can be imported by name."""
