"""The house rules, held by parsing the source.

Each rule is a function from a file's path and text to the problems in it. Every file is one test that
holds all rules that apply to it, so a failure names the file, and its message each line. The samples
prove that each rule can fail, and that it leaves good code alone.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import graphlib
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parent.parent
Problems = Iterable[tuple[int, str]]
"""Line numbers and what is wrong there."""

FACADE = ""
"""The unit of ``ibkr_core/__init__.py``."""

FLOORS = {
    "_version": 0,
    "orders": 0,
    "errors": 0,
    "model": 0,
    "wire": 0,
    "lifecycle": 1,
    "journal": 2,
    "link": 2,
    "logs": 2,
    "metrics": 2,
    "clock": 2,
    "profiles": 2,
    "listeners": 2,
    "scheduler": 2,
    "settings": 2,
    "guards": 2,
    "risk": 2,
    "gatekeeper": 3,
    "riskcontrol": 3,
    "orderview": 3,
    "outbox": 3,
    "runner": 3,
    "survey": 3,
    "settlement": 3,
    "slimmer": 3,
    "supervisor": 3,
    "watchdog": 3,
    "rehearsal": 3,
    "retrier": 3,
    "keeper": 3,
    "positioncheck": 3,
    "guardedbook": 3,
    "recovering": 3,
    "sending": 3,
    "arguments": 3,
    "admission": 3,
    "orderdesk": 3,
    "halting": 3,
    "works": 3,
    "tickets": 3,
    "inquiries": 3,
    "collectors": 3,
    "trying": 3,
    "orderengine": 3,
    "orderkeys": 3,
    "engine": 4,
    FACADE: 4,
    "broker": 4,
    "dryrun": 4,
    "gateway": 4,
    "portfolio": 2,
    "reference": 4,
    "replacing": 4,
    "preflight": 4,
    "closing": 4,
    "legwork": 4,
    "rolling": 4,
    "protection": 4,
    "summary": 4,
    "brackets": 4,
    "__main__": 5,
    "cli": 5,
    "testing": 5,
}
"""The architecture's floors: a unit knows its own floor and those below, never one above."""

WINGS = {"gateway": {"errors", "model", "wire"}}
"""Units that know these others only. The gateway is an independent second opinion on the engine."""

PURE = ("lifecycle", "model", "wire")
"""Units that see the world through their arguments alone."""

WORLDLY = frozenset(
    "_thread asyncio concurrent ibapi logging multiprocessing queue random sched secrets select selectors "
    "signal socket socketserver sqlite3 ssl subprocess threading time uuid".split()
)
"""Modules that a pure unit must not import: threads, I/O, clocks, chance, and the official client."""

WORLDLY_EXCEPT = {"wire": "ibapi.protobuf"}
"""What a pure unit may import all the same: wire reads the client's generated messages."""

MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 700

FLOATS = {
    ("ibkr_core/model/contract.py", "DeltaNeutral.delta"): "an option's delta is a ratio, not money",
    ("ibkr_core/model/events.py", "Resumed.gap_s"): "a span of time in seconds",
    ("ibkr_core/model/events.py", "RetryScheduled.delay_s"): "a span of time in seconds",
    ("ibkr_core/model/specialrules.py", "_does_not_travel.is_broken"): "the wire has floats",
    ("ibkr_core/model/numbers.py", "Numeric"): "callers may pass a float; to_number makes it exact",
}
"""Where lifecycle and model may say ``float`` outside a type test: (file, name) and the reason."""

CLOCKS = re.compile(
    r"(\w+\.)?(datetime\.(now|utcnow|today)|date\.today)"
    r"|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|localtime|gmtime|sleep)"
    r"|(random|secrets|uuid)\.\w+"
    r"|os\.urandom"
)

LOCKS = frozenset({"Barrier", "BoundedSemaphore", "Condition", "Lock", "RLock", "Semaphore"})
LOCK_HOMES = (
    "ibkr_core/orderengine.py",
    "ibkr_core/guardedbook.py",
    "ibkr_core/keeper.py",
    "ibkr_core/listeners.py",
    "ibkr_core/orderdesk.py",
    "ibkr_core/scheduler.py",
    "ibkr_core/link/",
    "ibkr_core/gateway/server.py",
)
LOCK_GUESTS: dict[str, str] = {
    "ibkr_core/dryrun.py": "around the gateway in memory, which calls nothing of ours",
    "ibkr_core/journal/journal.py": "one owner at a time of the connection, never with the state lock held",
    "ibkr_core/journal/store.py": "around the connection that carries the log over; nothing else is called",
    "ibkr_core/journal/reading.py": "one query at a time on a reader's connection",
    "ibkr_core/inquiries.py": "around its tables and the pure collectors; nothing else is called under it",
    "ibkr_core/orderkeys.py": "around the newest stamp; nothing else is called under it",
    "ibkr_core/outbox.py": "one message at a time into the socket; only the transport's is inside it",
    "ibkr_core/portfolio/portfolio.py": "around its sums; under it the book's state lock is taken, to read",
    "ibkr_core/protection.py": "around the wishes about stops; under it only the journal is called",
    "ibkr_core/retrier.py": "around its tables; under it only the scheduler is called",
    "ibkr_core/runner.py": "around its list of reader threads; nothing else is called under it",
    "ibkr_core/supervisor.py": "who waits for a state sleeps on it; nothing else is called under it",
    "ibkr_core/watchdog.py": "around its queue; under it only the scheduler is called",
}
"""Further files that may make a lock, each with the reason."""

# Spelt so that this file keeps its own rule.
UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~})-])/(work|tmp|root|home|Users)(?![\w.-])")


# --- reading source ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def parse(source: str) -> ast.Module:
    """Parse a file once for all rules."""
    return ast.parse(source)


def unit_of(path: str) -> str:
    """Return the part of the package that a file belongs to: ``ibkr_core/wire/codec.py`` -> ``wire``."""
    name = path.split("/")[1].removesuffix(".py")
    return FACADE if name == "__init__" else name


def imported_unit(module: str) -> str | None:
    """Return the unit that a dotted module belongs to, or None for a module that is not ours."""
    package, _, rest = module.partition(".")
    if package != "ibkr_core":
        return None
    name = rest.partition(".")[0]
    return name if name in FLOORS else FACADE


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of all that is imported, at any depth, also by import_module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and called(node) in {"import_module", "__import__"}:
            yield node.lineno, literal_start(node.args[0])


def called(node: ast.Call) -> str:
    """Return the last part of the name of what is called: ``a.b.c()`` -> ``c``."""
    return ast.unparse(node.func).rpartition(".")[2]


def literal_start(node: ast.expr) -> str:
    """Return the text that a string or f-string begins with."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def type_hints(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield every type annotation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def is_name(node: ast.AST, *names: str) -> bool:
    """Tell whether the node is one of these plain names."""
    return isinstance(node, ast.Name) and node.id in names


def any_name(nodes: Iterable[ast.AST], *names: str) -> bool:
    """Tell whether one of the nodes is one of these plain names."""
    return any(is_name(node, *names) for node in nodes)


# --- the rules --------------------------------------------------------------------------------------


def check_floors(path: str, source: str) -> Problems:
    """Imports run downward only, and a wing knows its own few units only."""
    unit = unit_of(path)
    if unit not in FLOORS:
        yield 1, f"{unit!r} has no floor: give it one in FLOORS, and in the architecture"
        return
    for line, module in imports(parse(source)):
        if module.startswith("."):
            yield line, f"relative import of {module}"
        other = imported_unit(module)
        if other is None or other == unit:
            continue
        if unit in WINGS and other not in WINGS[unit]:
            yield line, f"{unit} may import only {', '.join(sorted(WINGS[unit]))} of ours, not {module}"
        elif FLOORS[other] > FLOORS[unit]:
            yield (
                line,
                f"{unit or 'ibkr_core'} (floor {FLOORS[unit]}) imports {module} (floor {FLOORS[other]})",
            )


def check_pure_imports(path: str, source: str) -> Problems:
    """Threads, I/O, clocks, chance and ibapi stay out of the pure units."""
    unit = unit_of(path)
    allowed = WORLDLY_EXCEPT.get(unit, "none")
    for line, module in imports(parse(source)):
        if module.partition(".")[0] in WORLDLY and not f"{module}.".startswith(f"{allowed}."):
            yield line, f"{unit} is pure: it must not import {module}"


def check_pure_calls(path: str, source: str) -> Problems:
    """Time and chance are arguments of the pure units."""
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Attribute) and CLOCKS.fullmatch(ast.unparse(node)):
            yield node.lineno, f"{unit_of(path)} is pure: {ast.unparse(node)} must be an argument"


def check_lengths(path: str, source: str) -> Problems:
    """Functions and modules stay short enough to hold in one's head."""
    lines = len(source.splitlines())
    if lines > MAX_MODULE_LINES:
        yield MAX_MODULE_LINES + 1, f"{lines} lines in one module; the limit is {MAX_MODULE_LINES}"
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines; the limit is {MAX_FUNCTION_LINES}"


def check_no_float(path: str, source: str) -> Problems:
    """Money and quantities are Decimal."""
    for line, name in floats(parse(source)):
        if (path, name) not in FLOATS:
            yield line, f"float in {name or 'the module'}: money and quantities are Decimal"


def floats(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each use of ``float`` that is no type test: its line and the dotted name it stands in."""
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, scope = pending.pop()
        if is_name(node, "float"):
            yield node.lineno, scope  # type: ignore[attr-defined]  # a Name has a line
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and is_name(node.func, "isinstance", "issubclass"):
            children = children[:2]
        elif isinstance(node, ast.MatchClass):
            children.remove(node.cls)
        inner = own_name(node)
        pending += ((child, f"{scope}.{inner}".strip(".") if inner else scope) for child in children)


def own_name(node: ast.AST) -> str:
    """Return the name that a definition, an argument or an assignment gives to what is in it."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.arg(arg=name):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return ""


def check_excepts(path: str, source: str) -> Problems:
    """No exception is swallowed unseen."""
    del path
    broad = ("Exception", "BaseException")
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno, "bare except: name the exception"
            elif any_name(ast.walk(node.type), *broad) and is_silent(node.body):
                yield node.lineno, f"except {ast.unparse(node.type)} does nothing about it"
        elif isinstance(node, ast.Call) and called(node) == "suppress" and any_name(node.args, *broad):
            yield node.lineno, f"{ast.unparse(node)} does nothing about it"


def is_silent(body: list[ast.stmt]) -> bool:
    """Tell whether statements do nothing: pass, continue, or a mere constant."""
    return all(
        isinstance(step, ast.Pass | ast.Continue)
        or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in body
    )


def check_locks(path: str, source: str) -> Problems:
    """Locks are made in few places, so that their order can be reasoned about."""
    if path.startswith(LOCK_HOMES) or path in LOCK_GUESTS:
        return
    tree = parse(source)
    for node in made_locks(tree):
        yield node.lineno, f"{ast.unparse(node)} is made here; locks belong to {', '.join(LOCK_HOMES)}"


def made_locks(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield each mention of a lock class outside annotations: a call, or a factory handed on."""
    modules, classes = {"threading", "multiprocessing"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in {"threading", "multiprocessing"}:
            classes |= {alias.asname or alias.name for alias in node.names if alias.name in LOCKS}
    typed = {id(node) for hint in type_hints(tree) for node in ast.walk(hint)}
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if is_name(node, *classes) or (
            isinstance(node, ast.Attribute) and node.attr in LOCKS and is_name(node.value, *modules)
        ):
            assert isinstance(node, ast.expr)
            yield node


def check_docstrings(path: str, source: str) -> Problems:
    """Every module, public class and public function says what it is (of methods, ruff takes care)."""
    del path
    tree = parse(source)
    if not ast.get_docstring(tree):
        yield 1, "the module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            overload = any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list)
            if not (node.name.startswith("_") or overload or ast.get_docstring(node)):
                yield node.lineno, f"{node.name} has no docstring"


def check_test_docstrings(path: str, source: str) -> Problems:
    """Every test says which behaviour it proves."""
    del path
    pending: list[ast.stmt] = list(parse(source).body)
    for node in pending:
        if isinstance(node, ast.ClassDef):
            pending += node.body
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("test") and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring that tells the behaviour"


def check_finished(path: str, source: str) -> Problems:
    """Nothing is left for later in the text."""
    del path
    yield from (
        (line, f"{found[0]}: do it now or file an issue")
        for line, text in enumerate(source.splitlines(), 1)
        for found in UNFINISHED.finditer(text)
    )


def check_no_machine_paths(path: str, source: str) -> Problems:
    """No file knows the machine on which it was written."""
    del path
    yield from (
        (line, f"{found[0]} is a path of one machine")
        for line, text in enumerate(source.splitlines(), 1)
        for found in MACHINE_PATH.finditer(text)
    )


@attrs.frozen
class Rule:
    """One house rule, and the files that it holds for, as a pattern over their paths."""

    check: Callable[[str, str], Problems]
    files: str

    def applies(self, path: str) -> bool:
        """Tell whether the file at this path must keep the rule."""
        return re.fullmatch(self.files, path) is not None


PACKAGE = r"ibkr_core/.+\.py"
PURE_FILES = rf"ibkr_core/({'|'.join(PURE)})(/.+)?\.py"
RULES = (
    Rule(check_floors, PACKAGE),
    Rule(check_pure_imports, PURE_FILES),
    Rule(check_pure_calls, PURE_FILES),
    Rule(check_lengths, PACKAGE),
    Rule(check_no_float, r"ibkr_core/(lifecycle|model)(/.+)?\.py"),
    Rule(check_excepts, r".+\.py"),
    Rule(check_locks, PACKAGE),
    Rule(check_docstrings, PACKAGE),
    Rule(check_test_docstrings, r"tests/(.+/)?test_\w+\.py"),
    Rule(check_finished, r".+"),
    Rule(check_no_machine_paths, r".+"),
)


# --- the files --------------------------------------------------------------------------------------


def project_texts() -> dict[str, str]:
    """Read the text files that git tracks or would track, by path."""
    if not (ROOT / ".git").exists():
        return {}
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603 - fixed
    texts = {}
    for path in sorted(set(listed.decode().split("\0"))):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            texts[path] = (ROOT / path).read_text(encoding="utf-8")
    return texts


FILES = project_texts()


@pytest.mark.skipif(not FILES, reason="the list of files comes from git, and this is no git checkout")
def test_the_list_of_files_is_the_project() -> None:
    """The files under test are found: an empty list would prove nothing."""
    assert {"ibkr_core/__init__.py", "ibkr_core/errors.py", "tests/test_style.py", "Makefile"} <= FILES.keys()


@pytest.mark.parametrize("path", FILES)
def test_a_file_keeps_the_house_rules(path: str) -> None:
    """Each file keeps every rule that applies to it."""
    problems = [
        f"{path}:{line}: {problem} ({rule.check.__name__.removeprefix('check_')})"
        for rule in RULES
        if rule.applies(path)
        for line, problem in rule.check(path, FILES[path])
    ]
    assert not problems, "\n" + "\n".join(problems)


def test_the_units_of_the_package_form_no_cycle() -> None:
    """Units of one floor may know each other one way only, so that each can be understood after another."""
    knows: dict[str, set[str]] = {}
    for path, source in FILES.items():
        if re.fullmatch(PACKAGE, path):
            others = {
                unit for _, module in imports(parse(source)) if (unit := imported_unit(module)) is not None
            }
            knows.setdefault(unit_of(path), set()).update(others - {unit_of(path)})
    assert cycle(knows) is None


def cycle(knows: dict[str, set[str]]) -> list[str] | None:
    """Return one cycle among units that know each other, or None."""
    try:
        graphlib.TopologicalSorter(knows).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return None


@pytest.mark.skipif(not FILES, reason="no git checkout")
def test_no_exemption_is_stale() -> None:
    """Each exemption from a rule is still in use: a stale one would hide the next fault."""
    for path, name in FLOATS:
        assert name in {found for _, found in floats(parse(FILES[path]))}, (path, name)
    for path in LOCK_GUESTS:
        assert list(made_locks(parse(FILES[path]))), path


# --- the rules themselves ---------------------------------------------------------------------------

Sample = tuple[Callable[[str, str], Problems], str, str]
"""A rule, the path of a file, and its text."""

MODEL, WIRE, BOOK = "ibkr_core/model/a.py", "ibkr_core/wire/a.py", "ibkr_core/lifecycle/book.py"
LINK, GATEWAY, CLI = "ibkr_core/link/client.py", "ibkr_core/gateway/exchange.py", "ibkr_core/cli/main.py"
TEST = "tests/wire/test_a.py"
LATER = "TO" + "DO"

BAD: tuple[Sample, ...] = (
    (check_floors, MODEL, "from ibkr_core.lifecycle.book import Book"),
    (check_floors, MODEL, "import ibkr_core.lifecycle.book as b"),
    (check_floors, MODEL, "from ibkr_core import lifecycle"),
    (check_floors, MODEL, "from ibkr_core import Engine"),
    (check_floors, MODEL, "import ibkr_core"),
    (check_floors, MODEL, "from .order import Order"),
    (check_floors, MODEL, "def f():\n    import ibkr_core.engine"),
    (check_floors, MODEL, "if TYPE_CHECKING:\n    from ibkr_core.link import client"),
    (check_floors, MODEL, "importlib.import_module('ibkr_core.engine')"),
    (check_floors, LINK, "from ibkr_core.engine import Engine"),
    (check_floors, "ibkr_core/orderengine.py", "from ibkr_core.gateway.server import SimulatedGateway"),
    (check_floors, "ibkr_core/__init__.py", "from ibkr_core.cli import main"),
    (check_floors, GATEWAY, "from ibkr_core.lifecycle.verdicts import VERDICTS"),
    (check_floors, GATEWAY, "from ibkr_core.logs import EventLog"),
    (check_floors, "ibkr_core/surprise.py", "pass"),
    (check_pure_imports, MODEL, "import threading"),
    (check_pure_imports, MODEL, "from time import monotonic"),
    (check_pure_imports, BOOK, "def f():\n    import logging.handlers"),
    (check_pure_imports, BOOK, "from ibapi.order import Order"),
    (check_pure_imports, MODEL, "import ibapi.protobuf.Order_pb2"),
    (check_pure_imports, WIRE, "from ibapi.decoder import Decoder"),
    (check_pure_imports, WIRE, "import ibapi.protobuffer"),
    (check_pure_imports, WIRE, "import_module(f'ibapi.{name}')"),
    (check_pure_imports, WIRE, "import socket"),
    (check_pure_imports, "ibkr_core/model.py", "import random"),
    (check_pure_calls, MODEL, "at = datetime.now(tz=UTC)"),
    (check_pure_calls, MODEL, "at = datetime.datetime.utcnow()"),
    (check_pure_calls, MODEL, "at: datetime = attrs.field(factory=datetime.now)"),
    (check_pure_calls, WIRE, "start = time.time()"),
    (check_pure_calls, BOOK, "delay = random.random()"),
    (check_pure_calls, BOOK, "key = uuid.uuid4().hex"),
    (check_lengths, MODEL, "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    (check_lengths, MODEL, "class A:\n  async def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    (check_lengths, MODEL, "x = 1\n" * (MAX_MODULE_LINES + 1)),
    (check_no_float, BOOK, "filled = float(text)"),
    (check_no_float, MODEL, "class Fill:\n    price: float"),
    (check_no_float, MODEL, "def f(price: float | None): ..."),
    (check_no_float, MODEL, "def f() -> dict[str, float]: ..."),
    (check_no_float, MODEL, "price = attrs.field(converter=float)"),
    (check_no_float, MODEL, "ok = isinstance(float(price), int)"),
    (check_no_float, "ibkr_core/model/numbers.py", "class Numeric:\n    price: float"),
    (check_excepts, TEST, "try:\n    f()\nexcept:\n    raise"),
    (check_excepts, LINK, "try:\n    f()\nexcept Exception:\n    pass"),
    (check_excepts, LINK, "try:\n    f()\nexcept (ValueError, BaseException) as error:\n    ..."),
    (check_excepts, LINK, "for x in y:\n  try:\n    f()\n  except Exception:\n    'why'\n    continue"),
    (check_excepts, LINK, "with contextlib.suppress(Exception):\n    f()"),
    (check_locks, MODEL, "import threading\nlock = threading.Lock()"),
    (check_locks, "ibkr_core/broker.py", "import threading as t\nlock = t.RLock()"),
    (check_locks, CLI, "from threading import Condition as C\nready = C()"),
    (check_locks, CLI, "lock = attrs.field(factory=threading.Lock)"),
    (check_locks, GATEWAY, "lock = threading.Semaphore(2)"),
    (check_docstrings, MODEL, "x = 1"),
    (check_docstrings, MODEL, "'''About.'''\nclass Order:\n    x = 1"),
    (check_docstrings, MODEL, "'''About.'''\nasync def connect():\n    return 1"),
    (check_docstrings, MODEL, "'''About.'''\ndef connect():\n    ''' '''"),
    (check_test_docstrings, TEST, "def test_a():\n    assert f()"),
    (check_test_docstrings, TEST, "class TestA:\n    async def test_a(self):\n        assert f()"),
    (check_finished, "Makefile", f"x = 1  # {LATER}: more"),
    (check_no_machine_paths, "docs/a.md", "see /" + "work/main for more"),
    (check_no_machine_paths, TEST, "PLACE = '/" + "tmp/x.log'"),
    (check_no_machine_paths, "Makefile", "HOME=/" + "root"),
    (check_no_machine_paths, "a.cfg", "file:///" + "home/me"),
)
"""Code that breaks a rule: which, where it stands, the code."""

GOOD: tuple[Sample, ...] = (
    (
        check_floors,
        MODEL,
        "import attrs\nfrom ibkr_core.errors import InvalidOrder\nimport ibkr_core.model.order",
    ),
    (check_floors, BOOK, "from ibkr_core.model import Order, facts"),
    (
        check_floors,
        GATEWAY,
        "from ibkr_core.wire.codec import encode_answer\nfrom ibkr_core.gateway import market",
    ),
    (
        check_floors,
        CLI,
        "from ibkr_core.gateway.server import SimulatedGateway\nfrom ibkr_core import Engine",
    ),
    (
        check_floors,
        "ibkr_core/__init__.py",
        "from ibkr_core.engine import Engine\nfrom ibkr_core import errors",
    ),
    (check_pure_imports, MODEL, "from datetime import datetime, time\nimport enum"),
    (
        check_pure_imports,
        WIRE,
        "import_module(f'ibapi.protobuf.{name}_pb2')\nfrom ibapi.protobuf import Order_pb2",
    ),
    (
        check_pure_calls,
        MODEL,
        "clock = fill.time.time()\nat = datetime.fromtimestamp(ms / 1000, tz=UTC)\nnow = self.now",
    ),
    (check_lengths, MODEL, "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)),
    (check_lengths, MODEL, "x = 1\n" * MAX_MODULE_LINES),
    (check_no_float, MODEL, "class Fill:\n    price: Decimal\nok = isinstance(price, int | float)"),
    (check_no_float, MODEL, "match x:\n    case float():\n        pass"),
    (check_no_float, "ibkr_core/model/numbers.py", "Numeric = Decimal | float"),
    (
        check_excepts,
        LINK,
        "try:\n    f()\nexcept KeyError:\n    pass\nexcept Exception as error:\n    report(error)",
    ),
    (check_locks, "ibkr_core/orderengine.py", "import threading\nlock = threading.RLock()"),
    (check_locks, LINK, "import threading\nlock = threading.Condition()"),
    (
        check_locks,
        CLI,
        "import threading\ndone = threading.Event()\ndef f(lock: threading.Lock) -> None: ...",
    ),
    (check_docstrings, MODEL, "'''About.'''\nclass A:\n    '''An A.'''\ndef _f(): ...\nclass _B: ..."),
    (check_docstrings, MODEL, "'''About.'''\n@overload\ndef f(x: int) -> int: ..."),
    (
        check_test_docstrings,
        TEST,
        "def helper(): ...\ndef test_a():\n    '''It holds.'''\n    def test(): ...",
    ),
    (check_finished, "a.md", "mastodon, XXXL, fixme_not"),
    (check_no_machine_paths, "a.md", "../shared/corpus a/tmp/b ~/work/x $(VENV)/tmp https://x.example/home/"),
    (check_no_machine_paths, "a.md", "the homework /workers /tmpfs"),
)
"""Code that keeps the rule, though it comes near to breaking it."""


def sample_names(samples: tuple[Sample, ...]) -> list[str]:
    """Name each sample after its rule, with its place in the list."""
    return [f"{check.__name__.removeprefix('check_')}-{place}" for place, (check, _, _) in enumerate(samples)]


@pytest.mark.parametrize(("check", "path", "source"), BAD, ids=sample_names(BAD))
def test_a_rule_finds_what_breaks_it(check: Callable[[str, str], Problems], path: str, source: str) -> None:
    """A rule reports exactly one problem in a sample with one fault, at a line of the sample."""
    assert any(rule.check is check and rule.applies(path) for rule in RULES), "the rule skips this file"
    problems = list(check(path, source))
    assert len(problems) == 1
    assert 1 <= problems[0][0] <= len(source.splitlines())


@pytest.mark.parametrize(("check", "path", "source"), GOOD, ids=sample_names(GOOD))
def test_a_rule_leaves_good_code_alone(check: Callable[[str, str], Problems], path: str, source: str) -> None:
    """A rule reports nothing in a sample that keeps it."""
    assert list(check(path, source)) == []


def test_each_rule_is_proved_both_ways() -> None:
    """No rule goes without a sample that breaks it and one that keeps it."""
    rules = {rule.check for rule in RULES}
    assert {check for check, _, _ in BAD} == rules
    assert {check for check, _, _ in GOOD} == rules


def test_rules_hold_where_they_should() -> None:
    """A rule's pattern takes the files it is for, and no others."""

    def ruled_by(path: str) -> set[str]:
        return {rule.check.__name__.removeprefix("check_") for rule in RULES if rule.applies(path)}

    everywhere = {"finished", "no_machine_paths"}
    package = everywhere | {"floors", "lengths", "excepts", "locks", "docstrings"}
    pure = package | {"pure_imports", "pure_calls"}
    assert ruled_by("README.md") == everywhere
    assert ruled_by("noxfile.py") == everywhere | {"excepts"}
    assert ruled_by("tests/conftest.py") == everywhere | {"excepts"}
    assert ruled_by("tests/test_style.py") == everywhere | {"excepts", "test_docstrings"}
    assert ruled_by("ibkr_core/__init__.py") == package
    assert ruled_by("ibkr_core/link/client.py") == package
    assert ruled_by("ibkr_core/wire/codec.py") == pure
    assert ruled_by("ibkr_core/model/__init__.py") == ruled_by(BOOK) == pure | {"no_float"}


def test_a_cycle_of_units_is_found() -> None:
    """Two units that know each other are reported, and a plain chain is not."""
    assert cycle({"model": {"wire"}, "wire": {"model", "errors"}}) is not None
    assert cycle({"model": {"errors"}, "wire": {"model", "errors"}}) is None
