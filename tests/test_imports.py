"""The rules of the layout, held over every file: who may import whom, what no file may do, names and sizes.

Each rule is a function over a parsed file, so that it is shown to fail on a wrong one too (the last test).
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bridge", "exporters", "remedy")
EXTRAS = ("hyperscan", "dbus_fast", "apprise", "psycopg", "redis", "docker", "procrastinate")
CHANGES = ("append", "add", "update", "setdefault", "extend", "insert", "pop", "popitem", "remove", "discard", "clear")
MAX_LINES = 300
NAMED_BY_OTHERS = ("bridge.actions.host.units: Manager",)  # org.freedesktop.systemd1.Manager


@dataclass(frozen=True)
class Source:
    """One file as the rules see it."""

    module: str
    tree: ast.Module
    lines: int

    def within(self, *packages: str) -> bool:
        return begins(self.module, *packages)

    def imports(self) -> Iterator[str]:
        """Yield every module that it imports, anywhere in it; `from a import b` gives a and a.b."""
        for node in ast.walk(self.tree):
            yield from _imported(node)

    def imports_at_once(self) -> Iterator[str]:
        """Yield what is imported as soon as the file is."""
        for node in self.tree.body:
            yield from _imported(node)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def sources() -> tuple[Source, ...]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return tuple(source(file.read_text(encoding="utf-8"), file.relative_to(ROOT)) for file in files)


def source(text: str, file: Path) -> Source:
    module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    return Source(module, ast.parse(text), text.count("\n"))


def begins(module: str, *packages: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in packages)


# Each rule yields what is wrong with one file.


def sides_meet_in_names_only(file: Source) -> Iterator[str]:
    """exporters and bridge know nothing of each other, and of remedy only its leaf pieces."""
    if file.within("exporters", "bridge"):
        other = "bridge" if file.within("exporters") else "exporters"
        yield from (name for name in file.imports() if begins(name, other))
        remedy = (name for name in file.imports() if begins(name, "remedy") and name != "remedy")
        yield from (name for name in remedy if not begins(name, "remedy.config", "remedy.web"))


def leaf_pieces_know_neither_side(file: Source) -> Iterator[str]:
    """remedy.config imports nothing of ours but itself; remedy.web only itself and remedy.config."""
    if file.within("remedy.config", "remedy.web"):
        allowed = ("remedy.config",) if file.within("remedy.config") else ("remedy.config", "remedy.web")
        ours = (name for name in file.imports() if begins(name, *PACKAGES) and name != "remedy")
        yield from (name for name in ours if not begins(name, *allowed))


def an_action_sees_its_fields_and_its_context(file: Source) -> Iterator[str]:
    """Of the bridge an action imports other pieces of actions, and never what serves, stores or runs it."""
    if file.within("bridge.actions"):
        foreign = ("flask", "sqlalchemy", "gunicorn", "prometheus_client")
        yield from (name for name in file.imports() if begins(name, *foreign))
        ours = (name for name in file.imports() if begins(name, "bridge") and name != "bridge")
        yield from (name for name in ours if not begins(name, "bridge.actions"))


def a_notifier_hands_over_and_knows_no_more(file: Source) -> Iterator[str]:
    """Neither does a notifier or a verification know what serves, stores or runs it."""
    if file.within("bridge.notifiers", "bridge.verify"):
        foreign = ("flask", "sqlalchemy", "bridge.ledger", "bridge.web", "bridge.run")
        yield from (name for name in file.imports() if begins(name, *foreign))


def pure_pieces_stay_pure(file: Source) -> Iterator[str]:
    """Payload, matchers and gates decide over what is passed in: no clock, file, network or ledger."""
    if file.within("bridge.decision.payload", "bridge.policy.matchers", "bridge.decision.gates"):
        foreign = ("flask", "sqlalchemy", "requests", "time", "pathlib", "os", "threading", "bridge.ledger")
        yield from (name for name in file.imports() if begins(name, *foreign))


def flask_is_on_top(file: Source) -> Iterator[str]:
    """What serves HTTP imports Flask; nothing below it does."""
    if file.within("bridge.ledger", "bridge.actions", "bridge.notifiers", "bridge.verify", "exporters.checks"):
        yield from (name for name in file.imports() if begins(name, "flask"))


def structlog_comes_without_rich(file: Source) -> Iterator[str]:
    """Whoever logs takes structlog from remedy.config.logger."""
    if file.module != "remedy.config.logger":
        yield from (name for name in file.imports() if begins(name, "structlog"))


def an_extra_is_imported_when_it_is_used(file: Source) -> Iterator[str]:
    """What only some install is imported by `remedy.config.extras.require`, which names what installs it."""
    yield from (name for name in file.imports_at_once() if begins(name, *EXTRAS))


def nothing_at_module_level_changes(file: Source) -> Iterator[str]:
    """No `global`, and nothing changes what stands at module level: state is passed in."""
    names = {
        target.id
        for node in file.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in _functions(file):
        own = _own_names(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                yield f"line {node.lineno}: global {', '.join(node.names)}"
            changed = _changed(node)
            if changed in names and changed not in own:
                yield f"line {getattr(node, 'lineno', 0)}: changes {changed}"


def _functions(file: Source) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(file.tree) if isinstance(node, ast.FunctionDef))


def _own_names(function: ast.FunctionDef) -> set[str]:
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}


def _changed(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGES:
            return name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
    return None


def metrics_have_a_registry_of_their_own(file: Source) -> Iterator[str]:
    """prometheus_client's default registry is module-level state: every metric is given another one."""
    if "prometheus_client" not in set(file.imports()):
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = any(keyword.arg == "registry" for keyword in node.keywords)
            if node.func.id in ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum") and not given:
                yield f"line {node.lineno}: {node.func.id} without registry="
    yield from (name for name in file.imports() if name == "prometheus_client.REGISTRY")


def names_say_what_a_thing_is_for(file: Source) -> Iterator[str]:
    """`utils`, `helpers` and `manager` say nothing."""
    vague = re.compile(r"(?:^|[_.])(?:utils?|helpers?|managers?|misc|common)(?:$|[_.])")
    named = [node.name for node in ast.walk(file.tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    for name in (file.module, *named):
        if vague.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()):
            yield name


def a_file_has_one_reason_to_exist(file: Source) -> Iterator[str]:
    """No file is over 300 lines."""
    if file.lines > MAX_LINES:
        yield f"{file.lines} lines"


def a_file_says_what_it_is(file: Source) -> Iterator[str]:
    """Each file begins with a sentence on what it is for."""
    if not ast.get_docstring(file.tree):
        yield "no docstring"


Rule = Callable[[Source], Iterator[str]]
RULES: list[Rule] = [
    sides_meet_in_names_only,
    leaf_pieces_know_neither_side,
    an_action_sees_its_fields_and_its_context,
    a_notifier_hands_over_and_knows_no_more,
    pure_pieces_stay_pure,
    flask_is_on_top,
    structlog_comes_without_rich,
    an_extra_is_imported_when_it_is_used,
    nothing_at_module_level_changes,
    metrics_have_a_registry_of_their_own,
    names_say_what_a_thing_is_for,
    a_file_has_one_reason_to_exist,
    a_file_says_what_it_is,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    broken = [f"{file.module}: {what}" for file in sources() for what in dict.fromkeys(rule(file))]
    assert not [what for what in broken if what not in NAMED_BY_OTHERS], rule.__doc__


def test_half_of_the_files_are_short() -> None:
    written = sorted(file.lines for file in sources() if file.lines > 1)
    assert written[len(written) // 2] < 100


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (sides_meet_in_names_only, "exporters/x.py", "from bridge.payload import Alert"),
        (sides_meet_in_names_only, "exporters/x.py", "def f():\n    import bridge"),
        (sides_meet_in_names_only, "bridge/x.py", "from exporters import health"),
        (sides_meet_in_names_only, "bridge/x.py", "from remedy.cli import main"),
        (leaf_pieces_know_neither_side, "remedy/config/x.py", "from remedy.web import serve"),
        (leaf_pieces_know_neither_side, "remedy/web/x.py", "import bridge.gates"),
        (an_action_sees_its_fields_and_its_context, "bridge/actions/x.py", "from flask import g"),
        (an_action_sees_its_fields_and_its_context, "bridge/actions/x.py", "from bridge import ledger"),
        (a_notifier_hands_over_and_knows_no_more, "bridge/notifiers/x.py", "import bridge.ledger.runs"),
        (pure_pieces_stay_pure, "bridge/decision/gates.py", "import time"),
        (flask_is_on_top, "bridge/ledger/x.py", "import flask"),
        (structlog_comes_without_rich, "bridge/x.py", "def f():\n    from structlog import stdlib"),
        (an_extra_is_imported_when_it_is_used, "exporters/x.py", "import redis.client"),
        (nothing_at_module_level_changes, "bridge/x.py", "SEEN = {}\ndef f(x):\n    SEEN[x] = 1"),
        (nothing_at_module_level_changes, "bridge/x.py", "SEEN: list = []\ndef f(x):\n    SEEN.append(x)"),
        (nothing_at_module_level_changes, "bridge/x.py", "n = 0\ndef f():\n    global n\n    n = 1"),
        (metrics_have_a_registry_of_their_own, "bridge/x.py", "from prometheus_client import Gauge\nGauge('a', 'b')"),
        (names_say_what_a_thing_is_for, "bridge/run_utils.py", ""),
        (names_say_what_a_thing_is_for, "bridge/x.py", "class RunManager: pass"),
        (a_file_has_one_reason_to_exist, "bridge/x.py", "\n" * 301),
        (a_file_says_what_it_is, "bridge/x.py", "x = 1"),
    ],
)
def test_each_rule_is_seen_to_fail(rule: Rule, file: str, text: str) -> None:
    assert list(rule(source(text, Path(file))))
