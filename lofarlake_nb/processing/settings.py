"""Parameters of all steps of stage 2, from the values that its notebook declares."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from dask.utils import parse_bytes

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters import (
    AverageParameters,
    CalibrationParameters,
    FlagParameters,
    ImageParameters,
)
from lofarlake_nb.processing.sky_model import MODEL_DATA

T = TypeVar("T")

# Python and the engines' libraries alone take most of it.
LEAST_MEMORY = 500_000_000

# What the notebook calls a field whose own name would not say of which step it is.
CALLED: Mapping[str, str] = {
    "FlagParameters.column": "data_column",
    "FlagParameters.flagged": "station_flagged",
    "FlagParameters.noisy": "station_noisy",
    "FlagParameters.swapped": "swapped_stations",
    "CalibrationParameters.beam": "model_beam",
    "CalibrationParameters.slots": "solution_slots",
    "CalibrationParameters.channels": "solution_channels",
    "ImageParameters.minimum_uv": "image_minimum_uv",
    "ImageParameters.channels": "image_channels",
}
# Those that are paths: ~ is one's home, as no shell has made of it what a form or a notebook says.
PATHS = ("strategy", "solutions", "mask")
MOST_ROUNDS = 20
# Parameters that are of no step alone.
OF_THE_RUN: Mapping[str, Any] = {"rounds": 0, "memory": ""}
KINDS: tuple[type, ...] = (FlagParameters, AverageParameters, CalibrationParameters, ImageParameters)


@dataclass(frozen=True)
class Settings:
    """Parameters of stage 2, step by step.

    Examples
    --------
    >>> of({"robust": 0.5, "more": ["rounds=3"]}).changed()
    {'rounds': 3, 'robust': 0.5}
    >>> of({}).values()["image"]["robust"]
    -0.5
    """

    flag: FlagParameters
    average: AverageParameters
    calibrate: CalibrationParameters
    image: ImageParameters
    rounds: int = 0  # of self-calibration, at the most
    memory: str = ""  # that each worker may take, as "4 GB"; empty for an even share of most of the machine's

    @property
    def _steps(self) -> dict[str, Any]:
        return {step.name: getattr(self, step.name) for step in fields(self) if step.name not in OF_THE_RUN}

    def values(self) -> dict[str, dict[str, Any]]:
        """Every parameter by step and name, those at their defaults included."""
        return {
            **{name: asdict(step) for name, step in self._steps.items()},
            "run": {n: getattr(self, n) for n in OF_THE_RUN},
        }

    def changed(self) -> dict[str, Any]:
        """Parameters that are not at their defaults, by the name that the notebook has for them."""
        found = {name: getattr(self, name) for name, default in OF_THE_RUN.items() if getattr(self, name) != default}
        for chosen in self._steps.values():
            for field in fields(chosen):
                if getattr(chosen, field.name) != field.default:
                    found[_called(type(chosen), field.name)] = getattr(chosen, field.name)
        return found


def of(values: Mapping[str, Any]) -> Settings:
    """Parameters of stage 2.

    Parameters
    ----------
    values : mapping
        Such as a notebook's variables, by the names of the parameters' fields (see `CALLED`); others are passed over,
        and what is not there stays at its default. A field that two steps have under one name is the same for both.
        ``more`` may hold further ones, as ``multiscale=true``. With the sky model ``MODEL_DATA``, that column is
        averaged too.

    Returns
    -------
    Settings

    Raises
    ------
    UsageError
        When a value is not usable, or ``more`` names a parameter that there is not.

    Examples
    --------
    >>> of({"robust": 0.5, "resolution": "20 arcsec"}).image.robust
    0.5
    """
    known = defaults()
    given = dict(values)
    if isinstance(values.get("more"), str):
        raise UsageError(f"more: expected a list, got {values['more']!r}", f"write [{values['more']!r}]")
    for entry in values.get("more", ()):
        name, equals, text = (part.strip() for part in str(entry).partition("="))
        if not equals or name not in known:
            raise UsageError(
                f"more: no parameter {entry!r}", f"write name=value, with one of {', '.join(sorted(known))}"
            )
        given[name] = _typed(name, text, known[name])
    given |= {name: os.path.expanduser(given[name]) for name in PATHS if name in given}
    if given.get("sky_model") == MODEL_DATA and not given.get("model_column"):
        given["model_column"] = MODEL_DATA
    rounds = given.get("rounds", 0)
    if not isinstance(rounds, int) or not 0 <= rounds <= MOST_ROUNDS:
        raise UsageError(f"rounds: expected a whole number from 0 to {MOST_ROUNDS}, got {rounds!r}")
    if memory := str(given.get("memory", "")):
        worker_memory(memory)
    return Settings(
        _of(FlagParameters, given),
        _of(AverageParameters, given),
        _of(CalibrationParameters, given),
        _of(ImageParameters, given),
        rounds,
        memory,
    )


def defaults() -> dict[str, Any]:
    """All parameters of the steps by the name that a notebook has for them, with their defaults.

    Examples
    --------
    >>> defaults()["rounds"]
    0
    """
    return {**{_called(kind, field.name): field.default for kind in KINDS for field in fields(kind)}, **OF_THE_RUN}


def worker_memory(memory: str) -> int:
    """Bytes that a worker may take, as a person wrote them.

    Parameters
    ----------
    memory : str
        As ``"4 GB"`` or ``"4 GiB"``.

    Raises
    ------
    UsageError
        When it is no size, or too small for a worker.

    Examples
    --------
    >>> worker_memory("4 GB")
    4000000000
    >>> worker_memory("lots")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: memory: 'lots' is no size; write it as "4 GB"
    """
    try:
        size = int(parse_bytes(memory))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"memory: {memory!r} is no size", 'write it as "4 GB"') from error
    if size < LEAST_MEMORY:
        raise UsageError(f"memory: expected at least {LEAST_MEMORY / 1e9:.1f} GB for a worker, got {memory}")
    return size


def _typed(name: str, text: str, default: Any) -> Any:
    """Value that somebody wrote, of the default's type."""
    if isinstance(default, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UsageError(f"more: {name} is true or false, got {text!r}")
    try:
        return type(default)(text)
    except ValueError as error:
        raise UsageError(f"more: {name} is a number, got {text!r}", f"its default is {default}") from error


def _of(kind: type[T], values: Mapping[str, Any]) -> T:
    called = {field.name: _called(kind, field.name) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: values[other] for name, other in called.items() if other in values})


def _called(kind: type, name: str) -> str:
    return CALLED.get(f"{kind.__name__}.{name}", name)
