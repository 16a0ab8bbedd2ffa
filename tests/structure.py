"""How the engine's code is cut, in numbers: ``python tests/structure.py [ROOT] [--list]``.

ROOT is a checkout, so that two states of the code can be put side by side; its sources are parsed
and not imported. What is counted:

- engine module: a file of ``facesim/`` other than ``__init__.py``; lines are those of all files.
- line of code: neither blank, nor only a comment, nor part of a docstring.
- size of a function: its lines from ``def`` to the end, without the docstring.
- private function called once: a function or method with a leading underscore (no ``__dunder__``)
  whose name its own file mentions exactly once outside of the function itself.
- reached from the training loop: the modules that ``training/trainer.py`` imports, directly or
  through others, wherever in a file the import stands.
- deep import: an import in ``plugins/`` of anything below ``facesim`` instead of from it.
"""

import argparse
import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles

SHORT = 5
"""Lines up to which a private function that is called once is short."""

_LOOP = "facesim.training.trainer"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DIRECTIVES = ("# noqa", "# type: ignore")
_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


@dataclass(frozen=True)
class Function:
    """One function or method.

    Attributes:
        place: ``file:line``, relative to the checkout.
        name: its own, without that of a class.
        size: lines without the docstring.
        parameters: how many, without ``self`` and ``cls``.
        mentions: of its name in its file, outside of the function itself.
    """

    place: str
    name: str
    size: int
    parameters: int
    mentions: int

    @property
    def called_once(self) -> bool:
        """Whether it is private and its file needs it in one place only."""
        return self.private and self.mentions == 1

    @property
    def private(self) -> bool:
        """Whether its name has a leading underscore and is no ``__dunder__``."""
        return self.name.startswith("_") and not self.name.endswith("__")


class Source:
    """One parsed file of a checkout."""

    def __init__(self, path: Path, root: Path) -> None:
        self.file = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    @cached_property
    def module(self) -> str:
        """Dotted name; of an ``__init__.py`` the package's."""
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> int:
        """All of them."""
        return len(self.text.splitlines())

    @cached_property
    def comments(self) -> list[str]:
        """All comments, those behind code too."""
        return [token.string for token in self._tokens if token.type == tokenize.COMMENT]

    @cached_property
    def lines_of_code(self) -> int:
        """Lines that hold code."""
        code: set[int] = set()
        for token in self._tokens:
            if token.type not in _NO_CODE:
                code |= set(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            code -= set(_docstring_lines(node))
        return len(code)

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        mentions = Counter(_mentions(self.tree))
        return [
            Function(
                f"{self.file}:{node.lineno}",
                node.name,
                (node.end_lineno or 0) - node.lineno + 1 - len(_docstring_lines(node)),
                _parameters(node),
                mentions[node.name] - Counter(_mentions(node))[node.name],
            )
            for node in ast.walk(self.tree)
            if isinstance(node, _DEFINITIONS)
        ]

    @cached_property
    def imports(self) -> list[str]:
        """Dotted names of all imports; of ``from a import b`` it is ``a.b``."""
        names = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names += [f"{node.module}.{alias.name}" for alias in node.names]
        return names

    @cached_property
    def _tokens(self) -> list[tokenize.TokenInfo]:
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))


def _docstring_lines(node: ast.AST) -> range:
    """The lines of a node's docstring; of an attribute's, which follows it, too."""
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(node, ast.Expr):
        first = node
    value = getattr(first, "value", None)
    if not isinstance(first, ast.Expr) or not isinstance(value, ast.Constant):
        return range(0)
    is_text = isinstance(value.value, str)
    return range(first.lineno, (first.end_lineno or 0) + 1) if is_text else range(0)


def _mentions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    of = node.args
    names = [argument.arg for argument in (*of.posonlyargs, *of.args, *of.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


class Checkout:
    """The engine and the built-in plugins of one state of the code."""

    def __init__(self, root: Path) -> None:
        self.engine = [Source(path, root) for path in sorted((root / "facesim").rglob("*.py"))]
        self.plugins = [Source(path, root) for path in sorted((root / "plugins").rglob("*.py"))]

    @property
    def modules(self) -> list[Source]:
        """The engine's files without ``__init__.py``."""
        return [source for source in self.engine if not source.file.endswith("__init__.py")]

    @cached_property
    def functions(self) -> list[Function]:
        """Every function of the engine."""
        return [function for source in self.engine for function in source.functions]

    @property
    def short_called_once(self) -> list[Function]:
        """Private functions of a few lines that are called once, by file and line."""
        return [it for it in self.functions if it.called_once and it.size <= SHORT]

    def reached_from(self, start: str) -> list[Source]:
        """The modules that one imports, directly or through others; without itself."""
        by_name = {source.module: source for source in self.engine}
        reached: set[str] = set()
        ahead = [start]
        while ahead:
            for name in by_name[ahead.pop()].imports:
                module = name if name in by_name else name.rpartition(".")[0]
                if module in by_name and module not in reached:
                    reached.add(module)
                    ahead.append(module)
        return [by_name[name] for name in sorted(reached - {start})]

    @property
    def deep_imports(self) -> list[str]:
        """What ``plugins/`` imports from below ``facesim``, with repetition."""
        return [
            name
            for source in self.plugins
            for name in source.imports
            if name.startswith("facesim.") and name.count(".") > 1
        ]


def measures(checkout: Checkout) -> dict[str, str]:
    """The rows of the table, in its order."""
    lines = sum(source.lines for source in checkout.engine)
    sizes = sorted(function.size for function in checkout.functions)
    private = [function for function in checkout.functions if function.private]
    once = [function for function in private if function.called_once]
    short = len(checkout.short_called_once)
    widest = max(checkout.functions, key=lambda function: function.parameters)
    reached = checkout.reached_from(_LOOP)
    deep = checkout.deep_imports
    comments = [comment for source in checkout.engine for comment in source.comments]
    prose = [comment for comment in comments if not comment.startswith(_DIRECTIVES)]
    largest = sorted(checkout.engine, key=lambda source: -source.lines)[:5]
    return {
        "engine modules": f"{len(checkout.modules)}",
        "lines": f"{lines:,}",
        "lines of code": f"{sum(source.lines_of_code for source in checkout.engine):,}",
        "lines per module, median": f"{median(source.lines for source in checkout.modules):g}",
        "function size, median / p90 / max": (
            f"{median(sizes):g} / {quantiles(sizes, n=10)[-1]:g} / {sizes[-1]}"
        ),
        "private functions called once": (
            f"{len(once)} of {len(private)} ({len(once) / len(private):.0%})"
        ),
        f"of these with <= {SHORT} lines": f"{short} ({1000 * short / lines:.1f} per 1,000 lines)",
        "most parameters": f"{widest.parameters}: {widest.name} ({widest.place})",
        "functions with more than 6": f"{sum(it.parameters > 6 for it in checkout.functions)}",
        "reached from the training loop": (
            f"{len(reached)} modules, {sum(source.lines for source in reached):,} lines"
        ),
        "deep imports of plugins": f"{len(deep)} ({len(set(deep))} names)",
        "comments per 1,000 lines": (
            f"{1000 * len(comments) / lines:.1f} ({1000 * len(prose) / lines:.1f} without noqa)"
        ),
        "largest files": ", ".join(f"{source.file} {source.lines}" for source in largest),
    }


def main() -> None:
    """Print the table, or with ``--list`` what could be inlined."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--list", action="store_true", help="the short functions called once")
    arguments = parser.parse_args()
    checkout = Checkout(arguments.root)
    if arguments.list:
        for function in checkout.short_called_once:
            print(f"{function.place} {function.name} ({function.size} lines)")
    else:
        for name, value in measures(checkout).items():
            print(f"{name:<36} {value}")


if __name__ == "__main__":
    main()
