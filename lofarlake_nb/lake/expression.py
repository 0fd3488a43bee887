"""Comparisons of metadata keys with values, as a person writes them: ``n_stations >= 50 and not 100 in subbands``.

Written in Python's grammar, and nothing but keys, values, comparisons, and, or, not is evaluated.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lofarlake_nb.errors import UsageError

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def parsed(written: str) -> ast.expr:
    """An expression, checked.

    Raises
    ------
    UsageError
        When it can't be understood.

    Examples
    --------
    >>> ast.unparse(parsed("n_stations>=50 and not(100 in subbands)"))
    'n_stations >= 50 and (not 100 in subbands)'
    >>> parsed("quit()")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.UsageError: where: 'quit()' can't be understood: only keys, values, comparisons, ...
    """
    try:
        tree = ast.parse(written, mode="eval").body
        _check(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"where: {written!r} can't be understood: {error}",
            "compare metadata with values: 'target == \"3C196\" and (n_stations >= 50 or not 100 in subbands)'",
        ) from error
    return tree


def _check(node: ast.AST) -> None:
    known = isinstance(node, (ast.BoolOp, ast.Compare, ast.Name, ast.Constant)) or (
        isinstance(node, ast.UnaryOp) and (isinstance(node.op, ast.Not) or _is_negative(node))
    )
    if not known:
        raise ValueError("only keys, values, comparisons, and, or, not are known")
    inner: Iterable[ast.AST] = ()
    if isinstance(node, ast.BoolOp):
        inner = node.values
    elif isinstance(node, ast.UnaryOp):
        inner = (node.operand,)
    elif isinstance(node, ast.Compare):
        if unknown := [op for op in node.ops if type(op) not in _COMPARE]:
            raise ValueError(f"{type(unknown[0]).__name__} is no comparison of values")
        inner = (node.left, *node.comparators)
    for one in inner:
        _check(one)


def _is_negative(node: ast.UnaryOp) -> bool:
    inner = node.operand
    return isinstance(node.op, ast.USub) and isinstance(inner, ast.Constant) and isinstance(inner.value, (int, float))


def value(node: ast.AST, about: Mapping[str, Any]) -> Any:
    """Of a checked expression; a comparison with what is not there, or of another type, does not fit.

    Examples
    --------
    >>> wanted = parsed("n_stations >= 50 and not 100 in subbands")
    >>> value(wanted, {"n_stations": 62, "subbands": [1, 2]}), value(wanted, {"n_stations": 62, "subbands": [100]})
    (True, False)
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return about.get(node.id)
    if isinstance(node, ast.BoolOp):
        return (all if isinstance(node.op, ast.And) else any)(value(one, about) for one in node.values)
    if isinstance(node, ast.UnaryOp):
        inner = value(node.operand, about)
        return not inner if isinstance(node.op, ast.Not) else -inner
    assert isinstance(node, ast.Compare)
    values = [value(one, about) for one in (node.left, *node.comparators)]
    if None in values:
        return False
    try:
        return all(_COMPARE[type(op)](a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
    except TypeError:
        return False
