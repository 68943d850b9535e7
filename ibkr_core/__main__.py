"""``python -m ibkr_core`` does what ``ibkr-core`` does."""

from __future__ import annotations

from ibkr_core.cli.main import run

if __name__ == "__main__":
    run()
