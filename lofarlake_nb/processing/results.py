"""Results of steps as JSON and back, so that a finished step is found again."""

import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from lofarlake_nb import steps

T = TypeVar("T")


def once(
    kind: type[T], record: Path, step_key: str, work: Callable[[], T], *, products: Callable[[T], Iterable[Path]]
) -> T:
    """Result of a step, found again or made: `steps.once` of a dataclass, whose fields a record must have.

    Parameters
    ----------
    kind : type
        Dataclass with annotated fields.
    record, step_key, work, products
        See `steps.once`; what `work` returns, and `products` takes, is a `kind`.

    Returns
    -------
    instance of `kind`

    Examples
    --------
    >>> from lofarlake_nb.processing.flags.searching import Source
    >>> work = lambda: Source(Path("SB000.MS"))
    >>> once(Source, Path("source.json"), steps.key("source"), work, products=lambda found: []).path.stem
    'SB000'
    """
    kept = steps.once(record, step_key, lambda: to_json(work()), products=lambda kept: products(from_json(kind, kept)))
    return from_json(kind, kept)


def to_json(result: Any) -> dict[str, Any]:
    """Plain values of a result (a dataclass): paths become text, tuples lists.

    Examples
    --------
    >>> from lofarlake_nb.processing.flags.searching import Source
    >>> to_json(Source(Path("SB000.MS")))
    {'path': 'SB000.MS', 'column': 'DATA', 'spectral_window': None, 'field_id': None}
    """
    return _plain(asdict(result))


def from_json(kind: type[T], values: dict[str, Any]) -> T:
    """The result that `to_json` made plain.

    Parameters
    ----------
    kind : type
        Dataclass with annotated fields.
    values : dict
        From `to_json`.

    Returns
    -------
    instance of `kind`

    Raises
    ------
    KeyError
        When there is no value for a field, as one that a later version of lofarlake added.

    Examples
    --------
    >>> from lofarlake_nb.processing.flags.searching import Source
    >>> from_json(Source, to_json(Source(Path("SB000.MS")))).path.stem
    'SB000'
    """
    hints = typing.get_type_hints(kind)
    return kind(**{f.name: _typed(hints[f.name], values[f.name]) for f in fields(kind)})  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if hint is Path:
        return Path(value)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_typed(arguments[0], v) for v in value)
    if origin in (types.UnionType, typing.Union):
        return _typed(next(a for a in arguments if a is not type(None)), value)
    return value
