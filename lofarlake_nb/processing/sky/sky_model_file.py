"""Read LOFAR's sky model format: the text that makesourcedb and DP3 take.

A format line names the columns and their defaults, each other line is a source; lines without a name and a type are
patches. Positions are J2000.
"""

import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb.errors import BadSkyModel
from lofarlake_nb.processing.sky.components import ARCSEC, SkyModel

logger = logging.getLogger(__name__)

MOST_BYTES = 200_000_000
NEEDED = ("name", "type", "ra", "dec", "i")
KNOWN = {
    *NEEDED,
    *("patch", "q", "u", "v", "referencefrequency", "spectralindex", "logarithmicsi"),
    *("majoraxis", "minoraxis", "orientation", "orientationisabsolute", "category", "ishapelet"),
    *("referencewavelength", "rotationmeasure", "polarizationangle", "polarizedfraction", "dummy"),
}
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class _Source:
    """One line of a sky model."""

    ra: float  # rad
    dec: float  # rad
    flux: float  # Jy
    reference: float  # Hz
    index: tuple[float, ...]
    logarithmic: bool
    major: float  # rad
    minor: float  # rad
    position_angle: float  # rad
    absolute: bool


def read(path: Path) -> SkyModel:
    """Sky model from a file.

    Parameters
    ----------
    path : Path
        Text in LOFAR's sky model format.

    Returns
    -------
    SkyModel

    Raises
    ------
    BadSkyModel
        When a line can't be read (the message names file, line number and text), or there are no sources.

    Notes
    -----
    The model is of Stokes I; a file that says more is warned of. Orientations are from the north of the phase centre,
    but where OrientationIsAbsolute: from the north of the source, as DP3 has it since 5.3.

    Examples
    --------
    >>> text = "FORMAT = Name, Type, Ra, Dec, I, MajorAxis, MinorAxis\\na, POINT, 08:13:36, +48.13.03, 83.1\\n"
    >>> written = Path("two.skymodel").write_text(text + "b, GAUSSIAN, 123.5deg, 48.2deg, 1.5, 20, 10\\n")
    >>> found = read(Path("two.skymodel"))
    >>> found.flux.tolist(), (found.major / ARCSEC).round(3).tolist()
    ([83.1, 1.5], [0.0, 20.0])
    """
    if path.stat().st_size > MOST_BYTES:
        raise BadSkyModel(f"{path}: {path.stat().st_size} bytes, expected at most {MOST_BYTES}", "is it a sky model?")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadSkyModel(f"{path}: no text file", "give a file in LOFAR's sky model format") from error
    columns: list[tuple[str, str]] = []
    sources = []
    ignored: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        try:
            found = _format(line)
            if found is not None:
                columns = found
                continue
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if not columns:
                raise ValueError("a format line (FORMAT = Name, Type, Ra, Dec, I, ...) must come first")
            values = _values(text, columns)
            source = _source(values)
            ignored.update(_ignored(values) if source is not None else ())
        except ValueError as error:
            raise BadSkyModel(f"{path}, line {number}: {error}: {line.strip()[:80]!r}", "correct that line") from error
        if source is not None:
            sources.append(source)
    if not sum(s.flux for s in sources) > 0:
        raise BadSkyModel(f"{path}: no sources with flux", "give a file in LOFAR's sky model format")
    for what, count in ignored.items():
        logger.warning("%s: %s, of %d of %d sources", path, what, count, len(sources))
    return _model(path, sources)


def angle(text: str, *, hours: bool) -> float:
    """Right ascension or declination, as sky models write it.

    Parameters
    ----------
    text : str
        ``08:13:36.0``, ``+48.13.03.0``, ``8h13m36.0s``, ``+48d13m03s``, ``123.4deg``, ``2.15rad``, ``123.4`` (degrees).
    hours : bool
        Whether sexagesimal numbers count hours.

    Returns
    -------
    float
        Rad.

    Raises
    ------
    ValueError
        When it is none of these, or out of range.

    Examples
    --------
    >>> [round(float(np.rad2deg(angle(text, hours=True))), 4) for text in ("08:13:36", "123.4deg", "2.15rad")]
    [123.4, 123.4, 123.1859]
    >>> angle("08:61:00", hours=True)
    Traceback (most recent call last):
        ...
    ValueError: '08:61:00': minutes and seconds are below 60
    """
    text = text.strip()
    plain = re.fullmatch(rf"({NUMBER})\s*(deg|rad|)", text)
    if plain:
        value = float(plain[1]) if plain[2] == "rad" else np.deg2rad(float(plain[1]))
    else:
        marks = re.fullmatch(r"([+-]?)(\d{1,3})[:hd.](\d{1,2})[:m.](\d{1,2}(?:\.\d*)?)s?", text)
        if not marks:
            raise ValueError(f"{text!r} is no {'right ascension' if hours else 'declination'}")
        if float(marks[3]) >= 60 or float(marks[4]) >= 60:
            raise ValueError(f"{text!r}: minutes and seconds are below 60")
        degrees = float(marks[2]) + float(marks[3]) / 60 + float(marks[4]) / 3600
        in_hours = (hours and "d" not in text) or "h" in text
        value = np.deg2rad(degrees * (15 if in_hours else 1)) * (-1 if marks[1] == "-" else 1)
    if not abs(value) <= (2 * np.pi if hours else np.pi / 2) + 1e-9:
        raise ValueError(f"{text!r} is out of range")
    return float(value)


def _format(line: str) -> list[tuple[str, str]] | None:
    """Columns and their defaults, of a format line in either of its two forms; None for any other line."""
    match = re.match(r"\s*#?\s*format\s*=(.*)$", line, re.I) or re.match(r"\s*#\s*\((.*)\)\s*=\s*format", line, re.I)
    if not match:
        return None
    columns = []
    for part in _split(match[1]):
        name, _, default = part.partition("=")
        name = name.strip().lower().replace("_", "")
        if name not in KNOWN:
            raise ValueError(f"unknown column {name!r}")
        columns.append((name, default.strip().strip("'\"")))
    missing = [n for n in NEEDED if n not in [c for c, _ in columns]]
    if missing:
        raise ValueError(f"the format has no column {', '.join(missing)}")
    return columns


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside of brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[]":
            depth += 1 if char == "[" else -1
        elif char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth or quote:
        raise ValueError("a bracket or a quote is not closed")
    return [*parts, text[start:]]


def _values(text: str, columns: list[tuple[str, str]]) -> dict[str, str]:
    parts = [part.strip().strip("'\"").strip() for part in _split(text)]
    while len(parts) > len(columns) and not parts[-1]:
        parts.pop()  # a comma at the end
    if len(parts) > len(columns):
        raise ValueError(f"{len(parts)} values, the format has {len(columns)}")
    parts += [""] * (len(columns) - len(parts))
    return {name: part or default for part, (name, default) in zip(parts, columns, strict=True)}


def _source(values: dict[str, str]) -> _Source | None:
    """Source of a line; None for a patch."""
    kind = values["type"].upper()
    if not values["name"] and not kind:
        return None
    if kind not in ("POINT", "GAUSSIAN"):
        raise ValueError(f"type {values['type']!r}, expected POINT or GAUSSIAN")
    index = values.get("spectralindex", "").strip("[] ")
    coefficients = tuple(_number("SpectralIndex", c) for c in index.split(",")) if index else ()
    reference = _number("ReferenceFrequency", values.get("referencefrequency") or "0")
    if reference < 0 or (coefficients and not reference > 0):
        raise ValueError("expected a ReferenceFrequency above 0, which a SpectralIndex needs")
    gaussian = kind == "GAUSSIAN"
    major, minor, orientation = (
        _number(name, values.get(name.lower()) or "0") if gaussian else 0.0
        for name in ("MajorAxis", "MinorAxis", "Orientation")
    )
    if major < 0 or minor < 0:
        raise ValueError("MajorAxis and MinorAxis are 0 arcsec or more")
    return _Source(
        ra=angle(values["ra"], hours=True),
        dec=angle(values["dec"], hours=False),
        flux=_number("I", values["i"]),
        reference=reference or 1.0,
        index=coefficients,
        logarithmic=_truth(values.get("logarithmicsi") or "true"),
        major=major * ARCSEC,
        minor=minor * ARCSEC,
        position_angle=float(np.deg2rad(orientation)),
        absolute=(values.get("orientationisabsolute") or "false").lower() in ("true", "t", "1", "yes", "y"),
    )


def _ignored(values: dict[str, str]) -> list[str]:
    """What a source's line says that the model leaves out."""
    polarised = [
        name for name in ("Q", "U", "V", "PolarizedFraction") if _number(name, values.get(name.lower()) or "0")
    ]
    return ["polarised flux (Q, U, V or PolarizedFraction) is left out"] if polarised else []


def _number(name: str, text: str) -> float:
    if not re.fullmatch(NUMBER, text.strip()):
        raise ValueError(f"{name} {text.strip()!r} is no number")
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(f"{name} {text.strip()!r} is no finite number")
    return value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"LogarithmicSI {text!r}, expected true or false")
    return text.lower() == "true"


def _model(path: Path, sources: list[_Source]) -> SkyModel:
    terms = max(1, max(len(s.index) for s in sources))
    column = {
        name: np.array([getattr(s, name) for s in sources])
        for name in ("ra", "dec", "flux", "reference", "logarithmic", "major", "minor", "position_angle", "absolute")
    }
    index = np.array([[*s.index, *[0.0] * (terms - len(s.index))] for s in sources])
    return SkyModel(name=path.name, source=str(path), index=index, **column)
