"""How products came to be: inputs, parameters, versions. It goes into FITS headers, the QA and the report."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits

from lofarlake_nb.lake.results import ENGINES
from lofarlake_nb.observation import measurement_set
from lofarlake_nb.parameters import FlagParameters
from lofarlake_nb.processing.settings import Settings


@dataclass(frozen=True)
class Provenance:
    """How products came to be.

    Parameters
    ----------
    dataset : str
        DID of the input; empty where it came from disk.
    inputs : tuple of str
        Names of the Measurement Sets.
    sky_model : str
        Name or file, as given; the calibrator's name where none was.
    settings : Settings
    versions : mapping
        Package to version.
    observation : mapping
        What was observed: target, times, frequencies, stations, in words.
    places : tuple of str
        Absolute paths of the Measurement Sets, for the command; their names where they are not known.

    Examples
    --------
    >>> came.command().partition("DIR ")[2]
    "-p field '3 deg' -p resolution '40 arcsec'"
    """

    dataset: str
    inputs: tuple[str, ...]
    sky_model: str
    settings: Settings
    versions: Mapping[str, str]
    observation: Mapping[str, str]
    places: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(f"{name:<17} {value}" for name, value in self.observation.items())

    def parameters(self) -> dict[str, Any]:
        """Parameters of all steps, and the sky model, for the lineage."""
        return {"sky_model": self.sky_model, **self.settings.values()}

    def command(self) -> str:
        """Command line that repeats the run: what is not at its default, from the lake, or from the files."""
        changed = {name: str(value) for name, value in self.settings.changed().items()}
        model = shlex.quote(self.sky_model)
        if self.dataset:
            more = json.dumps([f"{name}={value}" for name, value in changed.items()])
            further = f" -p more {shlex.quote(more)}" if changed else ""
            return f"lofarlake run 2_process -p dataset {self.dataset} -p sky_model {model}{further}"
        options = " ".join(f"-p {name} {shlex.quote(value)}" for name, value in changed.items())
        sets = shlex.join(self.places or self.inputs)
        return f"lofarlake process {sets} --sky-model {model} --output DIR {options}".strip()

    def lines(self) -> list[str]:
        """The same as lines of text, for the HISTORY of a FITS file."""
        steps = [
            f"{step}: " + ", ".join(f"{name}={value!r}" for name, value in values.items())
            for step, values in self.settings.values().items()
        ]
        return [
            f"input: {self.dataset or 'from disk'}: {', '.join(self.inputs)}",
            f"sky model: {self.sky_model}",
            *steps,
            "versions: " + ", ".join(f"{name} {number}" for name, number in self.versions.items()),
        ]


def of(dataset: str, paths: Iterable[Path], sky_model: str, settings: Settings) -> Provenance:
    """How the products of this run come to be.

    Parameters
    ----------
    dataset : str
        DID of the input, or empty.
    paths : iterable of Path
        The Measurement Sets that are worked on.
    sky_model : str
        As given, or the name of the one that was found.
    settings : Settings

    Returns
    -------
    Provenance

    Examples
    --------
    >>> came = of("lofar:L667520", paths, "3C196", chosen)
    >>> came.dataset, came.sky_model
    ('lofar:L667520', '3C196')
    """
    paths = list(paths)
    versions = {package: version(package) for package in ENGINES}
    names = tuple(path.name for path in paths)
    places = tuple(str(path.absolute()) for path in paths)
    return Provenance(dataset, names, sky_model, settings, versions, _observed(paths, settings.flag), places)


def _observed(paths: Sequence[Path], chosen: FlagParameters) -> dict[str, str]:
    """What the Measurement Sets say of the observation, in words; what they do not say is left out."""
    described = [measurement_set.describe(path, chosen.chosen_window, chosen.chosen_field) for path in paths]
    first = described[0]
    low = min(one.min_frequency_hz for one in described) / 1e6
    high = max(one.max_frequency_hz for one in described) / 1e6
    place = SkyCoord(first.ra_deg * u.deg, first.dec_deg * u.deg).to_string("hmsdms", precision=1)
    said = {
        "target": first.target,
        "phase centre": f"{place} (J2000)",
        "observation": first.observation_id,
        "project": first.project,
        "telescope": " ".join(word for word in (first.telescope, first.antenna_set) if word),
        "start": f"{first.start.removesuffix('Z')} UTC",
        "duration": f"{first.duration_s / 3600:.2f} h, of which {first.exposure_s / 3600:.2f} h were recorded",
        "slots": f"{first.n_times} of {first.interval_s:.3g} s",
        "frequencies": f"{low:.2f} to {high:.2f} MHz",
        "Measurement Sets": f"{len(described)}, {first.n_channels} channels of {first.channel_width_hz / 1e3:.3g} kHz",
        "stations": f"{len(first.stations)}, {first.n_baselines} baselines",
        "polarizations": " ".join(first.correlations),
    }
    return {name: value for name, value in said.items() if value}


def write_history(header: fits.Header, provenance: Provenance) -> None:
    """Add how an image came to be to its header; a question mark stands for what it can't hold: all but plain ASCII.

    Parameters
    ----------
    header : Header
        Changed in place, as FITS headers are.
    provenance : Provenance

    Examples
    --------
    >>> header = fits.Header()
    >>> write_history(header, came)
    >>> len(header["HISTORY"]) > 5, header["HISTORY"][0][:16]
    (True, 'input: from disk')
    """
    for line in provenance.lines():
        header.add_history("".join(char if " " <= char <= "~" else "?" for char in line))
