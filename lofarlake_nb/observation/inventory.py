"""The Measurement Sets of an observation, and what it is called in the lake."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.errors import NotAMeasurementSet
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.observation.measurement_set import Description

SCOPE = "lofar"


@dataclass(frozen=True)
class Observation:
    """Measurement Sets that are ingested together.

    Parameters
    ----------
    subbands : tuple of Description
        One or more.

    Examples
    --------
    >>> found = observation("observation")
    >>> found.dataset, found.container
    ('lofar:L990100', 'lofar:LC0_000')
    """

    subbands: tuple[Description, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Folders of the Measurement Sets."""
        return tuple(one.path for one in self.subbands)

    @property
    def dataset(self) -> str:
        """DID of the dataset: the observation's number as in the archive, else the name of the folder that holds it."""
        first = self.subbands[0]
        number = re.fullmatch(r"L?(\d+)", first.observation_id)
        return f"{SCOPE}:{f'L{number[1]}' if number else _allowed(first.path.absolute().parent.name)}"

    @property
    def container(self) -> str:
        """DID of the container: the project; empty when the Measurement Sets name none."""
        project = _allowed(self.subbands[0].project)
        return f"{SCOPE}:{project}" if project else ""

    def _repr_html_(self) -> str:
        columns = ("Measurement Set", "target", "start (UTC)", "exposure", "frequency", "channels", "stations")
        rows = [
            (
                one.path.name,
                one.target,
                one.start,
                f"{one.exposure_s:.0f} s" if one.exposure_s else "",
                f"{one.min_frequency_hz / 1e6:.3f} to {one.max_frequency_hz / 1e6:.3f} MHz",
                str(one.n_channels),
                str(len(one.stations)),
            )
            for one in self.subbands
        ]
        head = "".join(f"<th>{html.escape(c)}</th>" for c in columns)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def observation(folder: str | Path) -> Observation:
    """Observation whose Measurement Sets lie in a folder.

    Parameters
    ----------
    folder : path
        A Measurement Set, or a folder that holds some, at any depth.

    Returns
    -------
    Observation

    Raises
    ------
    NotAMeasurementSet
        When there is none, or one of them can't be read.

    Examples
    --------
    >>> [path.name for path in observation("observation").paths]
    ['L990100_SAP000_SB000_uv.MS']
    """
    return Observation(tuple(measurement_set.describe(path) for path in measurement_sets(folder)))


def measurement_sets(folder: Path | str) -> list[Path]:
    """Measurement Sets of a folder, or the folder itself where it is one.

    Raises
    ------
    NotAMeasurementSet
        When there is none.

    Examples
    --------
    >>> [path.name for path in measurement_sets("observation")]
    ['L990100_SAP000_SB000_uv.MS']
    """
    found = measurement_set.find(Path(folder).expanduser())
    if not found:
        raise NotAMeasurementSet(
            f"{folder}: no Measurement Set is there", "give a folder with some; `lofarlake simulate DIR` makes them"
        )
    return found


def _allowed(name: str) -> str:
    """Name with what Rucio's schema refuses replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9.\-_]", "_", name).lstrip("._-")[:200]
