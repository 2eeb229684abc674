"""The rules of docs/architecture.md, read off the syntax trees. Each rule's docstring is the reason it gives."""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = "photochanger"
RINGS = {"core": 1, "adapters": 2, "web": 3, "features": 4}
OUTERMOST = 5
LEAVES = {"config": 4, "config_values": 3, "assets": 2}
"""Modules beside the rings, and the innermost ring that may ask them."""
FEATURE_ORDER = [
    *("audit", "clock", "settings", "prices", "accounts", "slots", "jobs", "media", "tags", "galleries", "ingest"),
    *("files", "evidence", "stats", "alerts", "maintenance", "admin"),
]
DOORS = {"service", "schemas", "models", "deps"}
EXTRA_DOORS = {
    "accounts": {"failures"},
    "jobs": {"runners"},
    "media": {"keys", "delivery", "inputs", "retention"},
    "slots": {"access", "links"},
    "stats": {"rollup"},
}
HTTP_MODULES = {"api", "pages", "public", "deps"}
QUERY_MODULES = {"repository", "queries"}
STATEMENTS = {"select", "insert", "update", "delete", "text", "union", "union_all", "exists", "literal_column"}
INDEX_WORDS = {"text"}
"""What a model may take from SQL: the condition of a partial index."""
SENDS_SQL = {"execute", "scalar", "scalars", "stream_scalars", "exec_driver_sql", "executemany"}
CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "gmtime", "localtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
FEATURE_FILES = {
    *("__init__", "models", "repository", "service", "schemas", "forms", "api", "pages", "public", "deps"),
}
EXTRA_FILES = {
    "accounts": {"credentials", "tokens", "lockout", "failures"},
    "ingest": {
        *(
            "multipart",
            "fields",
            "stream",
            "dedup",
            "opening",
            "run",
            "window",
            "chain",
            "call",
            "finish",
            "answers",
            "templates",
            "measures",
            "plan",
            "prompts",
            "late",
            "budget",
            "rerun",
            "trial",
        ),
    },
    "jobs": {"runners"},
    "maintenance": {"reconcile", "doctor"},
    "media": {"keys", "retention", "delivery", "inputs", "measures"},
    "slots": {"changes", "access", "links"},
    "stats": {"queries", "numbers", "rollup", "ledger"},
}
README_LINES = 15
FILE_LINES = 300
FUNCTION_LINES = 45


class Module(NamedTuple):
    path: str
    """Below the package, for example `features/slots/service.py`."""
    source: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, source: str) -> "Module":
        return cls(path, source, ast.parse(source, path))

    @property
    def parts(self) -> list[str]:
        return self.path.removesuffix(".py").split("/")

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def feature(self) -> str | None:
        return self.parts[1] if self.parts[0] == "features" and len(self.parts) > 2 else None

    def is_in(self, *prefixes: str) -> bool:
        return self.path.startswith(prefixes)


class Breach(NamedTuple):
    line: int
    what: str


Rule = Callable[[Module], Iterator[Breach]]


def modules(root: Path) -> list[Module]:
    return [Module.parse(str(path.relative_to(root)), path.read_text()) for path in sorted(root.rglob("*.py"))]


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and, in `from module import name`, each name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def own_imports(module: Module) -> Iterator[tuple[int, list[str]]]:
    """Line and path below the package of everything of ours: `["features", "slots", "service", "SlotService"]`."""
    for line, name, member in imports(module.tree):
        parts = name.split(".") + ([member] if member else [])
        if parts[0] == PACKAGE and len(parts) > 1:
            yield line, parts[1:]


def calls(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call with its receiver's last name and its function's: `a.b.now()` gives `b`, `now`; `f()` gives ``, `f`."""
    for node in nodes:
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=function):
                    yield node, "", function
                case ast.Attribute(value=ast.Name(id=receiver) | ast.Attribute(attr=receiver), attr=function):
                    yield node, receiver, function
                case ast.Attribute(attr=function):
                    yield node, "", function


def imports_point_inwards(module: Module) -> Iterator[Breach]:
    """A ring that knows nothing of the rings around it can be read, tested and replaced alone."""
    own = LEAVES[module.name] - 1 if module.path.count("/") == 0 and module.name in LEAVES else OUTERMOST
    ring = RINGS.get(module.parts[0], own)
    for line, target in own_imports(module):
        if target[0] in LEAVES and ring >= LEAVES[target[0]]:
            continue
        if target[0] == "app" and ring == OUTERMOST:
            continue
        if RINGS.get(target[0], OUTERMOST) > ring or (ring < OUTERMOST and target[0] not in RINGS):
            yield Breach(line, f"{module.path} imports {'.'.join(target)}, which is further out")


def stand_ins_know_nothing_of_the_product(module: Module) -> Iterator[Breach]:
    """A stand-in that shares code with a driver shares its mistakes, and no test would see them."""
    if module.is_in("vendors/"):
        for line, target in own_imports(module):
            if target[0] != "vendors":
                yield Breach(line, f"{module.path} imports {'.'.join(target)}")


def features_know_each_other_in_one_direction(module: Module) -> Iterator[Breach]:
    """Features that import each other both ways are one feature in two folders, and neither can be understood alone."""
    if module.feature is None:
        return
    for line, target in own_imports(module):
        later = FEATURE_ORDER[FEATURE_ORDER.index(module.feature) + 1 :]
        if target[0] == "features" and len(target) > 1 and target[1] in later:
            yield Breach(line, f"{module.feature} comes before {target[1]} and may not import it")


def features_meet_at_their_doors(module: Module) -> Iterator[Breach]:
    """Whoever goes past another feature's service skips its decisions; its models are for types and keys only."""
    if module.feature is None:
        return
    borrowed: set[str] = set()
    for line, target in own_imports(module):
        if target[0] != "features" or len(target) < 3 or target[1] == module.feature:
            continue
        if target[2] not in DOORS | EXTRA_DOORS.get(target[1], set()):
            yield Breach(line, f"{target[1]}.{target[2]} is private to {target[1]}")
        if target[2] == "models":
            borrowed.add(target[-1])
    for call, _, function in calls(ast.walk(module.tree)):
        written = {each.id for each in call.args if isinstance(each, ast.Name)}
        if function in borrowed:
            yield Breach(call.lineno, f"makes a {function}, which belongs to another feature")
        if function in {"insert", "update", "delete"} and written & borrowed:
            yield Breach(
                call.lineno, f"writes {', '.join(sorted(written & borrowed))}, which belongs to another feature"
            )


def litestar_stays_at_the_edge(module: Module) -> Iterator[Breach]:
    """Services that know no HTTP run from the command line and in tests as they are."""
    at_edge = module.is_in("web/") or module.path in {"app.py", "asgi.py"}
    if at_edge or (module.feature and module.name in HTTP_MODULES):
        return
    for line, name, _ in imports(module.tree):
        if name.split(".")[0] in {"litestar", "starlette", "uvicorn"}:
            yield Breach(line, f"imports {name}")


def sql_lives_in_repositories(module: Module) -> Iterator[Breach]:
    """All SQL of a feature in one file is what lets one check its indexes, its locks and what it shows."""
    if module.is_in("adapters/db/") or (module.feature and module.name in QUERY_MODULES):
        return
    for line, name, member in imports(module.tree):
        allowed = INDEX_WORDS if module.name == "models" else set()
        if name.startswith("sqlalchemy") and member in STATEMENTS - allowed:
            yield Breach(line, f"imports {member} from {name}")
    for call, receiver, function in calls(ast.walk(module.tree)):
        if receiver and function in SENDS_SQL:
            yield Breach(call.lineno, f"calls {receiver}.{function}")


def only_the_session_commits(module: Module) -> Iterator[Breach]:
    """A unit of work that something inside it can end is none: half of it may be saved."""
    if module.path == "adapters/db/session.py":
        return
    for call, receiver, function in calls(ast.walk(module.tree)):
        if function in {"commit", "rollback"}:
            yield Breach(call.lineno, f"calls {receiver}.{function}")


def only_config_reads_the_environment(module: Module) -> Iterator[Breach]:
    """A setting read elsewhere is neither checked at the start nor documented nor the same everywhere."""
    if module.path == "config.py":
        return
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os":
            yield Breach(node.lineno, f"uses os.{node.attr}")
    for line, name, member in imports(module.tree):
        if name == "os" and member in names:
            yield Breach(line, f"imports {member} from os")


def settings_are_not_read_at_import(module: Module) -> Iterator[Breach]:
    """Settings read while importing cannot be given by a test or reported by a command, and differ by import order."""
    if module.path == "asgi.py":
        return
    for call, _, function in calls(_outside_functions(module.tree)):
        if function in {"load_config", "Config"}:
            yield Breach(call.lineno, f"calls {function} at import")


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def time_comes_from_the_clock(module: Module) -> Iterator[Breach]:
    """Expiry and windows can only be tested to the second where a test can move the time."""
    if module.path == "core/clock.py":
        return
    for call, receiver, function in calls(ast.walk(module.tree)):
        if function in CLOCKS.get(receiver, ()):
            yield Breach(call.lineno, f"calls {receiver}.{function}")
        if (receiver, function) in {("loop", "time"), ("func", "now")}:
            yield Breach(call.lineno, f"calls {receiver}.{function}")
    for line, name, member in imports(module.tree):
        if name == "time" and member in CLOCKS["time"]:
            yield Breach(line, f"imports {member} from time")


def relationships_never_load_by_themselves(module: Module) -> Iterator[Breach]:
    """A relationship that loads on touch is a hidden query, and under asyncio an error far from its cause."""
    for call, _, function in calls(ast.walk(module.tree)):
        if function == "relationship":
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            if given.get("lazy") != "'raise'":
                yield Breach(call.lineno, 'a relationship without lazy="raise"')


def files_and_functions_stay_small(module: Module) -> Iterator[Breach]:
    """What does not fit a screen holds a second idea that has no name yet."""
    length = module.source.count("\n")
    if length > FILE_LINES:
        yield Breach(FILE_LINES, f"{length} lines in one file (at most {FILE_LINES})")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield Breach(node.lineno, f"{length} lines in {node.name} (at most {FUNCTION_LINES})")


def features_have_the_same_shape(module: Module) -> Iterator[Breach]:
    """Who knows one feature knows all of them; a file of another name is an idea to agree on (EXTRA_FILES) first."""
    if module.feature and module.name not in FEATURE_FILES | EXTRA_FILES.get(module.feature, set()):
        yield Breach(1, f"{module.name}.py is no file of a feature")


RULES: tuple[Rule, ...] = (
    imports_point_inwards,
    stand_ins_know_nothing_of_the_product,
    features_know_each_other_in_one_direction,
    features_meet_at_their_doors,
    litestar_stays_at_the_edge,
    sql_lives_in_repositories,
    only_the_session_commits,
    only_config_reads_the_environment,
    settings_are_not_read_at_import,
    time_comes_from_the_clock,
    relationships_never_load_by_themselves,
    files_and_functions_stay_small,
    features_have_the_same_shape,
)


def explain(rule: Rule, found: list[Module]) -> list[str]:
    """One line for each breach: where, what, and why that is a rule."""
    lines = [
        f"{PACKAGE}/{module.path}:{breach.line}: {breach.what}. {rule.__doc__} (rule: {rule.__name__})"
        for module in found
        for breach in rule(module)
    ]
    return list(dict.fromkeys(lines))  # two names in one import are one breach
