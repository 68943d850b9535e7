"""Builds the package; with ``IBKR_CORE_COMPILE=1`` its busiest modules are compiled to C by mypyc.

The sources are the same, and so is what they do: the tests run on both. Without the variable, which is the
usual case, the package is pure Python and needs no compiler.
"""

import configparser
import os
import sys

from setuptools import setup

COMPILED = (
    "ibkr_core/admission.py",
    "ibkr_core/guardedbook.py",
    "ibkr_core/journal/intentlog.py",
    "ibkr_core/journal/noting.py",
    "ibkr_core/journal/writing.py",
    "ibkr_core/lifecycle/book.py",
    "ibkr_core/lifecycle/effects.py",
    "ibkr_core/lifecycle/entry.py",
    "ibkr_core/lifecycle/express.py",
    "ibkr_core/lifecycle/fillings.py",
    "ibkr_core/lifecycle/index.py",
    "ibkr_core/lifecycle/kinship.py",
    "ibkr_core/lifecycle/ledger.py",
    "ibkr_core/lifecycle/sides.py",
    "ibkr_core/lifecycle/steps.py",
    "ibkr_core/lifecycle/view.py",
    "ibkr_core/link/hotpath.py",
    "ibkr_core/link/inbound.py",
    "ibkr_core/link/templates.py",
    "ibkr_core/listeners.py",
    "ibkr_core/model/orderrules.py",
    "ibkr_core/model/shapes.py",
    "ibkr_core/model/specialrules.py",
    "ibkr_core/orderdesk.py",
    "ibkr_core/watchdog.py",
    "ibkr_core/wire/framing.py",
    "ibkr_core/wire/hot.py",
    "ibkr_core/wire/hotproto.py",
)
"""What a busy session spends its time in. Modules of values (attrs classes) gain nothing."""

TOOLS = ("mypy>=2.4,<2.5", "types-protobuf>=5.29")
"""What compiling needs beside a C compiler and what the package needs, whose types mypy reads too. A newer
one has to pass ``make compiled`` first: the book counts who holds an event (``lifecycle.effects``)."""


def needed() -> "list[str]":
    """Return what pip has to fetch for compiling."""
    about = configparser.ConfigParser()
    about.read("setup.cfg", encoding="utf-8")
    lines = about["options"]["install_requires"].splitlines()
    return [*TOOLS, *filter(None, lines)]


def extensions() -> "list[object]":
    """Return what to compile; nothing while pip still asks what that needs.

    Raises:
        ImportError: There is no mypyc. What was to be compiled must not come out as pure Python unnoticed.
    """
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 - only where it is wanted
    except ImportError:
        if "egg_info" in sys.argv:
            return []
        raise
    return list(mypycify(["--config-file", "pyproject.toml", *COMPILED], opt_level="3", debug_level="0"))


is_compiled = os.environ.get("IBKR_CORE_COMPILE", "") not in ("", "0")
setup(
    ext_modules=extensions() if is_compiled else [],
    setup_requires=needed() if is_compiled else [],
)
