"""Imports point downwards only, and each third-party library stays at its edge."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lofarlake_nb"

# What each room may import from the package; a room may always import itself.
MAY_IMPORT = {
    "errors": set(),
    "wording": set(),
    "steps": {"errors"},
    "parameters": {"errors"},
    "observation": {"parameters", "errors", "steps"},
    "processing": {"observation", "parameters", "errors", "steps", "wording"},
    "lake": {"observation", "parameters", "errors", "steps", "wording"},
    "quality": {"observation", "parameters", "errors", "steps", "processing", "lake", "wording"},
    "widgets": {
        "checks",
        "observation",
        "parameters",
        "errors",
        "steps",
        "lake",
        "quality",
        "inspecting",
        "run",
        "background",
        "recording",
        "wording",
    },
    "checks": {"errors", "parameters", "lake", "processing"},
    "__main__": {"cli"},
    "executing": {"errors", "steps"},
    "inspecting": {"errors"},
    "kernel": set(),
    "run": {"errors", "steps", "executing", "inspecting"},
    "recording": {"errors", "steps", "executing", "run", "lake"},
    "background": {"errors", "inspecting", "run", "recording", "lake"},
    "stages": {"errors", "steps", "executing", "inspecting", "run", "lake"},
    "page": set(),
    "process": {"errors", "checks", "stages", "inspecting", "run", "processing", "observation", "quality"},
    "rehearsal": {"errors", "stages", "parameters", "inspecting", "lake", "processing", "quality"},
    "lab": {"errors", "lake", "inspecting"},
    "commands": {"errors", "lake"},
    "cli_data": {"commands", "parameters", "lake", "wording"},
    "cli_lake": {"errors", "commands", "parameters", "run", "stages", "lake", "wording"},
    "cli": {
        "errors",
        "commands",
        "checks",
        "cli_data",
        "cli_lake",
        "recording",
        "parameters",
        "inspecting",
        "run",
        "stages",
        "page",
        "process",
        "rehearsal",
        "lab",
        "lake",
        "processing",
        "quality",
    },
}

# Where a third-party library may be imported.
ONLY_IN = {
    "casacore": {"observation"},
    "rucio": {"lake"},
    "fsspec": {"lake"},
    "rucio_jupyterlab": {"lake", "lab"},
    "aoflagger": {"processing"},
    "ducc0": {"processing"},
    "radler": {"processing"},
    "everybeam": {"processing"},
    "dask": {"processing"},
    "distributed": {"processing"},
    "numba": {"processing"},
    "papermill": {"inspecting", "run", "executing"},
    "nbconvert": {"page"},
    "ipywidgets": {"widgets"},
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Dotted names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    room = room_of(path)
    if room == "__init__":
        return
    used = {n.split(".")[1] for n in imports_of(path) if n.startswith("lofarlake_nb.")}
    used -= {room, "__version__"}
    assert used <= MAY_IMPORT[room], f"{room} imports {sorted(used - MAY_IMPORT[room])}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_party_libraries_stay_at_their_edge(path):
    room = room_of(path)
    for library in {n.split(".")[0] for n in imports_of(path)} & set(ONLY_IN):
        assert room in ONLY_IN[library], f"{library} is imported in {room}; it belongs in {sorted(ONLY_IN[library])}"


def test_there_are_modules_to_check():
    assert len(modules()) > 10
