"""Frozen parameters of each stage: they check themselves, and say what was expected."""

import math
from dataclasses import dataclass

import astropy.units as u

from lofarlake_nb.errors import UsageError


def quantity(name: str, value: str | u.Quantity, unit: u.UnitBase) -> u.Quantity:
    """Quantity that a person wrote, in a wanted unit.

    Parameters
    ----------
    name : str
        What it is called, for the error.
    value : str or Quantity
        As ``"20 arcsec"``.
    unit : Unit
        The unit that it must convert to.

    Returns
    -------
    Quantity
        In `unit`.

    Raises
    ------
    UsageError
        When it is no number with such a unit.
    """
    try:
        return u.Quantity(value).to(unit)
    except (TypeError, ValueError) as error:  # UnitConversionError is a TypeError
        raise UsageError(f"{name}: {value!r} is no quantity in units of {unit}", f'write it as "20 {unit}"') from error


def seconds(name: str, value: str) -> float:
    """Duration that a person wrote, in s.

    Parameters
    ----------
    name : str
        What it is called, for the error.
    value : str
        As ``"30 d"``.

    Raises
    ------
    UsageError
        When it is none, or not more than 0 s and finite.
    """
    found = float(quantity(name, value, u.s).value)
    if not 0 < found < math.inf:
        raise UsageError(f"{name}: expected more than 0 s, got {value!r}", 'write it as "30 d"')
    return found


@dataclass(frozen=True, kw_only=True)
class IngestParameters:
    """Where an observation goes in the lake.

    Parameters
    ----------
    dataset : str
        DID of the dataset, ``scope:name``.
    container : str
        DID of the container that the dataset joins; empty for none.
    rse : str
        Site that receives the files first.
    replicate_to : str
        RSE expression for one more copy (``SARA``, ``QOS=TAPE``); empty for none.
    streams : int
        Files sent at the same time.
    patience : str
        How long a server that fails or does not answer is tried again before the ingest ends.
    in_place : bool
        The files lie at the site already, which takes them under whatever path they have: they are read for their
        checksums and registered, not copied.
    lifetime : str
        How long the rules hold the files, ``"30 d"``; empty for as long as nobody ends them.
    """

    dataset: str
    container: str = ""
    rse: str = "SARA"
    replicate_to: str = "JUELICH"
    streams: int = 4
    patience: str = "5 min"
    in_place: bool = False
    lifetime: str = ""

    @property
    def lifetime_s(self) -> int | None:
        """Lifetime of the rules in s; None when they have none."""
        return math.ceil(seconds("lifetime", self.lifetime)) if self.lifetime else None

    def __post_init__(self) -> None:
        if self.lifetime:
            seconds("lifetime", self.lifetime)
        if self.streams < 1:
            raise UsageError(f"streams: expected 1 or more, got {self.streams}")
        if not quantity("patience", self.patience, u.s).value >= 0:
            raise UsageError(f"patience: expected 0 s or more, got {self.patience!r}")


@dataclass(frozen=True, kw_only=True)
class FlagParameters:
    """How interference and bad stations are found.

    Parameters
    ----------
    strategy : str
        AOFlagger Lua strategy; empty for AOFlagger's own for LOFAR.
    noisy : float
        A station whose noise power is this many times the median station's is bad. The station fields of one LOFAR
        observation differ by 2 (core and remote, Offringa et al. 2013), so 4 is no field's usual state.
    flagged : float
        A station with more than this fraction of its samples flagged is bad.
    """

    strategy: str = ""
    noisy: float = 4.0
    flagged: float = 0.9

    def __post_init__(self) -> None:
        if not self.noisy > 1:
            raise UsageError(f"noisy: expected more than 1, got {self.noisy}")
        if not 0 < self.flagged <= 1:
            raise UsageError(f"flagged: expected a fraction above 0, at most 1, got {self.flagged}")


@dataclass(frozen=True, kw_only=True)
class AverageParameters:
    """Wanted resolution after averaging; data that are coarser already stay as they are.

    Parameters
    ----------
    interval : str
        Time of one averaged slot.
    channel : str
        Width of one averaged channel.
    """

    interval: str = "4 s"
    channel: str = "48.83 kHz"

    def __post_init__(self) -> None:
        for name, value, unit in (("interval", self.interval, u.s), ("channel", self.channel, u.kHz)):
            if not quantity(name, value, unit).value > 0:
                raise UsageError(f"{name}: expected more than 0, got {value}")


@dataclass(frozen=True, kw_only=True)
class CalibrationParameters:
    """How station gains are solved.

    Parameters
    ----------
    slots, channels : int
        Averaged slots and channels of one solution.
    minimum_uv : float
        Shortest baseline in the solve, in wavelengths: shorter ones see extended emission and neighbours that the
        model lacks, and the two halves of a core station share interference.
    """

    slots: int = 1
    channels: int = 1
    minimum_uv: float = 200.0

    def __post_init__(self) -> None:
        for name in ("slots", "channels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 <= self.minimum_uv < float("inf"):
            raise UsageError(f"minimum_uv: expected 0 or more wavelengths, got {self.minimum_uv}")


@dataclass(frozen=True, kw_only=True)
class ImageParameters:
    """What image is made.

    Parameters
    ----------
    field : str
        Width of the image on the sky.
    resolution : str
        Wanted beam (a Gaussian taper); ``auto`` for the finest that `field` and `npix` allow.
    npix : int
        Pixels per side; 0 for as many as `field` needs, at most 3072.
    cell : str
        Pixel; ``auto`` from `field` and `npix`.
    weighting : str
        ``briggs`` or ``natural``.
    robust : float
        Of Briggs weighting, −2 (uniform) to 2 (natural).
    minimum_uv : float
        Shortest baseline in the image, in wavelengths.
    iterations : int
        Most clean components; 0 for a dirty image.
    major_cycles : int
        Most subtractions from the visibilities.
    mask_sigma, threshold_sigma : float
        Peaks above the first are sought, then cleaned down to the second, in units of the residual's noise.
    multiscale : bool
        Clean with extended components too.
    """

    field: str = "5 deg"
    resolution: str = "auto"
    npix: int = 0
    cell: str = "auto"
    weighting: str = "briggs"
    robust: float = -0.5
    minimum_uv: float = 0.0
    iterations: int = 30000
    major_cycles: int = 6
    mask_sigma: float = 4.0
    threshold_sigma: float = 1.5
    multiscale: bool = False

    def __post_init__(self) -> None:
        for name, unit in (("field", u.deg), ("resolution", u.arcsec), ("cell", u.arcsec)):
            value = getattr(self, name)
            if value != "auto" and not quantity(name, value, unit).value > 0:
                raise UsageError(f"{name}: expected more than 0, got {value}")
        if self.field == "auto" or quantity("field", self.field, u.deg).value > 90:
            raise UsageError(f"field: expected at most 90 deg, got {self.field}")
        if self.npix != 0 and not 64 <= self.npix <= 32768:
            raise UsageError(f"npix: expected 0 (auto) or 64 to 32768, got {self.npix}")
        if self.weighting not in ("briggs", "natural"):
            raise UsageError(f"weighting: expected briggs or natural, got {self.weighting!r}")
        if not -2 <= self.robust <= 2:
            raise UsageError(f"robust: expected -2 to 2, got {self.robust}")
        if self.iterations < 0 or self.major_cycles < 1 or not self.minimum_uv >= 0:
            raise UsageError("iterations and minimum_uv: expected 0 or more; major_cycles: 1 or more")
        if not self.mask_sigma >= self.threshold_sigma > 0:
            raise UsageError(
                f"mask_sigma {self.mask_sigma}, threshold_sigma {self.threshold_sigma}: expected the first to be "
                "the larger, both above 0"
            )


@dataclass(frozen=True, kw_only=True)
class SimulationParameters:
    """An observation of the 3C196 field to simulate: LOFAR's Dutch HBA stations around transit.

    Parameters
    ----------
    observation_id : str
        Digits; the Measurement Sets are called after it.
    project : str
        Project name that the Measurement Sets carry.
    subbands : int
        How many, spread evenly over `spread` around `frequency`.
    frequency, spread : str
        Centre of the observation, and the distance from its lowest to its highest subband.
    channels : int
        Per subband of 195.3125 kHz.
    hours : float
        From the start of the first scan to the end of the last, with the transit in the middle.
    scans : int
        Short scans, evenly spread over `hours`.
    scan : str
        Length of each scan.
    interval : str
        Length of a time slot.
    stations : int
        Station fields, 0 for all 62.
    sources : int
        Sources strewn over the field, besides 3C196 and its bright neighbours.
    seed : int
        Of everything random.
    noise, corruptions, beam, rfi, bad_stations : bool
        Leave one out to look at the others: thermal noise; clock, ionosphere, bandpass and amplitudes; station beams;
        interference; one dead and one noisy station.
    """

    observation_id: str = "667520"
    project: str = "SIMULATED"
    subbands: int = 4
    frequency: str = "135 MHz"
    spread: str = "8 MHz"
    channels: int = 16
    hours: float = 2.0
    scans: int = 12
    scan: str = "48 s"
    interval: str = "4 s"
    stations: int = 0
    sources: int = 180
    seed: int = 1
    noise: bool = True
    corruptions: bool = True
    beam: bool = True
    rfi: bool = True
    bad_stations: bool = True

    @property
    def frequency_hz(self) -> float:
        """Centre of the observation in Hz."""
        return float(quantity("frequency", self.frequency, u.Hz).value)

    @property
    def spread_hz(self) -> float:
        """Distance from the lowest to the highest subband in Hz."""
        return float(quantity("spread", self.spread, u.Hz).value)

    @property
    def scan_s(self) -> float:
        """Length of a scan in s."""
        return float(quantity("scan", self.scan, u.s).value)

    @property
    def interval_s(self) -> float:
        """Length of a time slot in s."""
        return float(quantity("interval", self.interval, u.s).value)

    def __post_init__(self) -> None:
        if not (self.observation_id.isascii() and self.observation_id.isdigit() and len(self.observation_id) <= 9):
            raise UsageError(f"observation_id: expected up to 9 digits, got {self.observation_id!r}")
        if not (self.project and self.project.isascii() and self.project.isprintable() and len(self.project) <= 64):
            raise UsageError(f"project: expected up to 64 printable characters, got {self.project!r}")
        limits = {"subbands": (1, 400), "channels": (1, 256), "scans": (1, 10_000), "sources": (0, 5_000)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name}: expected {low} to {high}, got {getattr(self, name)}")
        if self.seed < 0:
            raise UsageError(f"seed: expected 0 or more, got {self.seed}")
        reach = self.spread_hz / 2
        if not 110e6 < self.frequency_hz - reach <= self.frequency_hz + reach < 190e6:
            raise UsageError(f"frequency: {self.frequency} ± {self.spread} / 2 leaves LOFAR's band of 110 to 190 MHz")
        if not 0.1 <= self.interval_s <= self.scan_s:
            raise UsageError(f"interval: expected 0.1 s to one scan ({self.scan}), got {self.interval}")
        if not 0 < self.hours <= 12:
            raise UsageError(f"hours: expected up to 12, for 3C196 to stay above 30 degrees, got {self.hours}")
        if self.scan_s * self.scans > self.hours * 3600 * (1 + 1e-9):
            raise UsageError(
                f"scans: {self.scans} of {self.scan} do not fit in {self.hours} h", "give fewer, or more hours"
            )
