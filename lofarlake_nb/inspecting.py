"""Notebooks that can be run: where they are, the parameters that they declare, and values for these, checked."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill

from lofarlake_nb.errors import UsageError

_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list": list}


@dataclass(frozen=True)
class Parameter:
    """A parameter that a notebook declares: ``name: type = default  # help``.

    Parameters
    ----------
    name, type : str
        What it is called; one of str, int, float, bool and list.
    default : object
        Its value where none is given; None where a run has to be given one, see `expression`.
    help : str
        What it is for.
    expression : str
        What stands in the place of a default, as ``chosen.did``, where only the kernel in which somebody works on the
        notebook knows that variable; empty where the default is a literal.

    Examples
    --------
    >>> parameters_of(find_notebook("1_ingest"))["streams"].type
    'int'
    """

    name: str
    type: str
    default: Any
    help: str
    expression: str = ""

    def missing(self) -> UsageError:
        """What to raise where a run is given no value for it, and needs one."""
        return UsageError(
            f"parameter {self.name}: its value in the notebook, {self.expression}, is known only in the notebook's own "
            "kernel",
            f"give one: -p {self.name} VALUE",
        )


def notebooks_folder() -> Path:
    """Folder of the notebooks that come with lofarlake: of the clone, or inside the installed package.

    Examples
    --------
    >>> (notebooks_folder() / "2_process.ipynb").is_file()
    True
    """
    package = Path(__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def find_notebook(name: str) -> Path:
    """Path of a notebook, given as a path, or by name among those that come with lofarlake.

    Raises
    ------
    UsageError
        When there is none.

    Examples
    --------
    >>> find_notebook("1_ingest").name
    '1_ingest.ipynb'
    """
    for path in (Path(name), Path(name + ".ipynb"), notebooks_folder() / name, notebooks_folder() / f"{name}.ipynb"):
        if path.is_file():
            return path
    known = ", ".join(sorted(p.stem for p in notebooks_folder().glob("*.ipynb")))
    raise UsageError(f"{name}: no such notebook", f"give a path, or one of {known}")


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Parameters that a notebook declares in its cell tagged ``parameters``.

    Raises
    ------
    UsageError
        When the file is no notebook, a parameter has no type among str, int, float, bool and list, or its default is
        neither a literal nor a variable.

    Examples
    --------
    >>> parameters_of(find_notebook("2_process"))["robust"]
    Parameter(name='robust', type='float', default=-0.5, help='Briggs weighting', expression='')
    """
    try:
        declared = papermill.inspect_notebook(str(notebook))
        assigned = _assigned(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, SyntaxError, nbformat.ValidationError) as error:
        raise UsageError(f"{notebook}: not a notebook that can be read ({error})", "give an .ipynb file") from error
    lost = sorted(assigned - set(declared))
    if lost:
        raise UsageError(
            f"{notebook.name}: parameter {lost[0]} can't be read by papermill",
            "declare it on one line, `name: type = value  # help`, without a second `=`",
        )
    found = {}
    for name, entry in declared.items():
        if entry["inferred_type_name"] not in _TYPES:
            raise UsageError(
                f"{notebook.name}: parameter {name} has no usable type",
                f"declare it as `{name}: str = ...` with one of {', '.join(_TYPES)}",
            )
        default, expression = None, ""
        try:
            default = ast.literal_eval(entry["default"])
        except (ValueError, SyntaxError, TypeError) as error:
            if not _is_variable(expression := entry["default"]):
                raise UsageError(
                    f"{notebook.name}: the default of parameter {name} is no literal: {entry['default']}",
                    "give a text, a number, True, False, a list of these, or a variable that the notebook will have",
                ) from error
        found[name] = Parameter(name, entry["inferred_type_name"], default, entry["help"], expression)
    return found


def _is_variable(expression: str) -> bool:
    """Whether it is a variable, an attribute of one, or an item."""
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name)


def _assigned(notebook: Path) -> set[str]:
    """Names that the cell tagged ``parameters`` assigns, for papermill passes over lines which it can't read."""
    cells = nbformat.read(notebook, as_version=4).cells
    sources = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    found: set[str] = set()
    for node in (node for source in sources for node in ast.parse(source).body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def checked(notebook: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Values for a notebook's parameters, of the types that it declares.

    Parameters
    ----------
    notebook : Path
        The notebook.
    values : dict
        By parameter: text as typed in a shell, or a value of the declared type. A list is JSON, or text with commas.

    Returns
    -------
    dict
        The same, converted.

    Raises
    ------
    UsageError
        For a parameter that the notebook does not declare, or a value that is not of its type.

    Examples
    --------
    >>> checked(find_notebook("2_process"), {"robust": "0.5", "paths": "a.MS, b.MS"})
    {'robust': 0.5, 'paths': ['a.MS', 'b.MS']}
    """
    declared = parameters_of(notebook)
    unknown = sorted(set(values) - set(declared))
    if unknown:
        raise UsageError(
            f"{notebook.name} has no parameter {unknown[0]!r}", f"it takes {', '.join(declared) or 'none'}"
        )
    return {name: _converted(declared[name], value) for name, value in values.items()}


def complete(notebook: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Values that a notebook can be run with: as `checked`, and none is missing.

    Raises
    ------
    UsageError
        As `checked`; also for a parameter whose value only the notebook's own kernel knows, where none is given.

    Examples
    --------
    >>> complete(find_notebook("1_ingest"), {"streams": "2"})
    {'streams': 2}
    """
    converted = checked(notebook, values)
    for name, parameter in parameters_of(notebook).items():
        if parameter.expression and name not in converted:
            raise parameter.missing()
    return converted


def defaults(notebook: Path) -> dict[str, Any]:
    """Values of the parameters that a run need not be given, by name.

    Examples
    --------
    >>> defaults(find_notebook("1_ingest"))["streams"]
    4
    """
    return {name: one.default for name, one in parameters_of(notebook).items() if not one.expression}


def _converted(parameter: Parameter, value: Any) -> Any:
    wanted = _TYPES[parameter.type]
    try:
        if isinstance(value, str):
            return _from_text(wanted, value)
        if type(value) is wanted or (wanted is float and type(value) is int):
            return wanted(value)
        raise ValueError(f"a {type(value).__name__}")
    except ValueError as error:
        raise UsageError(
            f"parameter {parameter.name}: expected {parameter.type}, got {value!r}",
            f"its value in the notebook is {parameter.expression}"
            if parameter.expression
            else f"its default is {parameter.default!r}",
        ) from error


def _from_text(wanted: type, text: str) -> Any:
    if wanted is bool:
        known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in known:
            raise ValueError(text)
        return known[text.lower()]
    if wanted is list:
        value = json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",") if part.strip()]
        if not isinstance(value, list):
            raise ValueError(text)
        return value
    return wanted(text)
