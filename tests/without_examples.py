"""Which public objects have no example in their docstring: ``python tests/without_examples.py`` lists them."""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
OWN = "lofarlake_nb"


def has_example(what: Any) -> bool:
    return ">>>" in (inspect.getdoc(what) or "")


def public() -> dict[str, Any]:
    """Functions and classes without an underscore, but for the embedded lake's, which want a configuration."""
    found = {}
    for path in sorted((ROOT / OWN).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "embedded" in name or name.endswith("__main__"):
            continue
        for attribute, what in vars(importlib.import_module(name)).items():
            is_own = (inspect.isfunction(what) or inspect.isclass(what)) and what.__module__ == name
            if is_own and not attribute.startswith("_"):
                found[f"{name}.{attribute}"] = what
    return found


def called() -> dict[str, Any]:
    """What the notebooks, and the Python of the documentation, take from the package."""
    found = {}
    for source in _sources():
        tree = ast.parse(source)
        names = {
            alias.asname or alias.name: _of(node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN)
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in names:
                what = names[node.id]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                what = getattr(names[node.value.id], node.attr)
            else:
                continue
            if inspect.isfunction(what) or inspect.isclass(what):
                found[f"{what.__module__}.{what.__name__}"] = what
    return found


def _of(module: str, name: str) -> Any:
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if hasattr(loaded, name) else importlib.import_module(f"{module}.{name}")


def _sources() -> Iterator[str]:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        yield "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        yield "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))


if __name__ == "__main__":
    known = public()
    without = [name for name, what in known.items() if not has_example(what)]
    print("\n".join(without))
    print(f"{len(without)} of {len(known)} have no example")
