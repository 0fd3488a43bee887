"""Frozen parameters of each stage: they check themselves, and say what was expected."""

import math
from dataclasses import dataclass
from typing import Any

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
    swapped : str
        What happens to a station whose dipoles are found exchanged: ``exchange`` them back, or ``flag`` it.
    column : str
        Column that holds the visibilities, as ``DATA`` or ``CORRECTED_DATA``.
    spectral_window, field_id : int
        Which one, where a Measurement Set holds several; −1 where it holds one.
    """

    strategy: str = ""
    noisy: float = 4.0
    flagged: float = 0.9
    swapped: str = "exchange"
    column: str = "DATA"
    spectral_window: int = -1
    field_id: int = -1

    @property
    def chosen_window(self) -> int | None:
        """Spectral window; None for the only one."""
        return None if self.spectral_window < 0 else self.spectral_window

    @property
    def chosen_field(self) -> int | None:
        """Field; None for the only one."""
        return None if self.field_id < 0 else self.field_id

    def __post_init__(self) -> None:
        if self.swapped not in ("exchange", "flag"):
            raise UsageError(f"swapped: expected exchange or flag, got {self.swapped!r}")
        if not self.column:
            raise UsageError("column: expected the name of a column, as DATA")
        for name in ("spectral_window", "field_id"):
            if getattr(self, name) < -1:
                raise UsageError(f"{name}: expected 0 or more, or -1 for the only one, got {getattr(self, name)}")
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
        Time of one averaged slot, at most.
    channel : str
        Width of one averaged channel, at most.
    field : str
        Width of the field to be imaged, at whose edge the loss by smearing is limited.
    resolution : str
        Beam of the image; ``auto`` for the finest that the baselines give and an image of the field can hold.
    smearing : float
        Most of a source's peak that averaging may take at the edge of the field; 1 for no limit. Finer slots and
        channels than asked for are kept where it would take more.
    model_column : str
        Column with a model, averaged too, into ``MODEL_DATA``; empty for none.
    ateam : str
        What is done about Cas A, Cyg A, Tau A and Vir A outside the field: ``clip`` the samples in which they are too
        strong, ``auto`` for the same where it costs less than a third of the data, or ``none``.
    ateam_level : float
        Strength in Jy above which a sample is clipped; 0 for 5 Jy, and 50 Jy below 100 MHz.
    """

    interval: str = "4 s"
    channel: str = "48.83 kHz"
    field: str = "5 deg"
    resolution: str = "auto"
    smearing: float = 0.05
    model_column: str = ""
    ateam: str = "auto"
    ateam_level: float = 0.0

    def __post_init__(self) -> None:
        wanted = [("interval", u.s), ("channel", u.kHz), ("field", u.deg)]
        wanted += [("resolution", u.arcsec)] if self.resolution != "auto" else []
        for name, unit in wanted:
            if not quantity(name, getattr(self, name), unit).value > 0:
                raise UsageError(f"{name}: expected more than 0, got {getattr(self, name)}")
        if self.ateam not in ("auto", "clip", "none"):
            raise UsageError(f"ateam: expected auto, clip or none, got {self.ateam!r}")
        if not 0 <= self.ateam_level < math.inf:
            raise UsageError(f"ateam_level: expected 0 (auto) or more, in Jy, got {self.ateam_level}")
        if not 0 < self.smearing <= 1:
            raise UsageError(f"smearing: expected a fraction above 0, at most 1, got {self.smearing}")


@dataclass(frozen=True, kw_only=True)
class CalibrationParameters:
    """How station gains are solved.

    Parameters
    ----------
    solve : str
        ``diagonal`` for a gain of X and one of Y; ``phase`` for their phases alone, where `solutions` have the
        amplitudes; ``full`` for Jones matrices; ``none`` for data that are calibrated already.
    slots, channels : int
        Averaged slots and channels of one solution.
    minimum_uv : float
        Shortest baseline in the solve, in wavelengths: shorter ones see extended emission and neighbours that the
        model lacks, and the two halves of a core station share interference.
    beam : str
        Station beams in the model: ``auto`` where the model reaches beyond the phase centre and EveryBeam knows the
        stations, ``always``, or ``never``.
    beam_interval : str
        Time between two evaluations of the beam; it is interpolated between them.
    solutions : str
        h5parm of a calibrator's scan, or a folder with one for each of its subbands: its bandpass, polarisation
        alignment and clocks are applied before the solve. Empty for none.
    directions : int
        Most groups of sources that get gains of their own, where the model has them; 0 for none.
    direction_interval : str
        Time of one such solution.
    """

    solve: str = "diagonal"
    slots: int = 1
    channels: int = 1
    minimum_uv: float = 200.0
    beam: str = "auto"
    beam_interval: str = "120 s"
    solutions: str = ""
    directions: int = 6
    direction_interval: str = "60 s"

    def __post_init__(self) -> None:
        for name, known in (("solve", ("diagonal", "phase", "full", "none")), ("beam", ("auto", "always", "never"))):
            if getattr(self, name) not in known:
                raise UsageError(f"{name}: expected {', '.join(known)}, got {getattr(self, name)!r}")
        for name in ("slots", "channels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 <= self.minimum_uv < float("inf"):
            raise UsageError(f"minimum_uv: expected 0 or more wavelengths, got {self.minimum_uv}")
        for name in ("beam_interval", "direction_interval"):
            seconds(name, getattr(self, name))
        if not 0 <= self.directions <= 100:
            raise UsageError(f"directions: expected 0 to 100, got {self.directions}")


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
    maximum_uv : float
        Longest one; 0 for as long as the pixels can hold.
    spectral_index : float
        Visibilities are brought to the mean frequency by it, so that the image does not depend on the bandwidth: that
        of the brightest source, or of the sky at large.
    channels : int
        Images over frequency that are cleaned together; 0 for as many as bandwidth and dynamic range ask for.
    facets : str
        Patches around bright sources that are seen through their own station beams and gains: how many at most, ``0``
        for none, ``auto`` for those where the differences would show.
    iterations : int
        Most clean components; 0 for a dirty image.
    major_cycles : int
        Most subtractions from the visibilities.
    mask_sigma, threshold_sigma : float
        Peaks above the first are sought, then cleaned down to the second, in units of the residual's noise.
    multiscale : bool
        Clean with extended components too.
    mask : str
        FITS image of the same size; components are sought only where it is not 0. Empty for none.
    primary_beam : bool
        Make the average primary beam, and an image corrected for it, where EveryBeam knows the telescope.
    circular : bool
        Make an image of Stokes V too, where nothing but noise is expected.
    cutout : str
        Width of a second image, at the finest resolution of the data, from which the first one's sources outside of it
        are subtracted; empty for none.
    cutout_centre : str
        Its centre, as ``"08h13m36s +48d13m03s"``; empty for the phase centre.
    """

    field: str = "5 deg"
    resolution: str = "auto"
    npix: int = 0
    cell: str = "auto"
    weighting: str = "briggs"
    robust: float = -0.5
    minimum_uv: float = 0.0
    maximum_uv: float = 0.0
    spectral_index: float = -0.7
    channels: int = 0
    facets: str = "auto"
    iterations: int = 30000
    major_cycles: int = 6
    mask_sigma: float = 4.0
    threshold_sigma: float = 1.5
    multiscale: bool = False
    mask: str = ""
    primary_beam: bool = True
    circular: bool = True
    cutout: str = ""
    cutout_centre: str = ""

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
        if not (self.maximum_uv == 0 or self.maximum_uv > self.minimum_uv):
            raise UsageError(f"maximum_uv: expected 0 or more than minimum_uv {self.minimum_uv}, got {self.maximum_uv}")
        if not -5 <= self.spectral_index <= 5:
            raise UsageError(f"spectral_index: expected -5 to 5, got {self.spectral_index}")
        if self.cutout and not 0 < quantity("cutout", self.cutout, u.deg).value <= 2:
            raise UsageError(f"cutout: expected up to 2 deg, got {self.cutout}")
        if self.facets != "auto" and not (self.facets.isdecimal() and int(self.facets) <= 250):
            raise UsageError(f"facets: expected auto or 0 to 250, got {self.facets!r}")
        if not 0 <= self.channels <= 64:
            raise UsageError(f"channels: expected 0 (auto) or up to 64, got {self.channels}")
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
    outskirts : int
        Sources of more than 1 Jy outside the main lobe, 3 to 8 degrees out.
    beam_interval : str
        Time between the station beams that are computed; in between they follow a line.
    diffractive_scale, screen_height, wind : str
        Of the ionosphere: distance over which phases differ by 1 rad rms at 150 MHz, height of the thin screen, and
        speed at which it drifts.
    seed : int
        Of everything random.
    noise, corruptions, beam, smearing, rfi, bad_stations : bool
        Leave one out to look at the others: thermal noise; clock, ionosphere, bandpass and amplitudes; station beams;
        the average over a slot and a channel; interference; one dead and one noisy station.
    direction_dependent, a_team, swapped_station : bool
        What is harder: an ionosphere that differs between directions; Cas A, Cyg A, Tau A and Vir A; one station whose
        X and Y dipoles are exchanged.
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
    outskirts: int = 0
    beam_interval: str = "60 s"
    diffractive_scale: str = "20 km"
    screen_height: str = "300 km"
    wind: str = "200 m/s"
    seed: int = 1
    noise: bool = True
    corruptions: bool = True
    beam: bool = True
    smearing: bool = True
    rfi: bool = True
    bad_stations: bool = True
    direction_dependent: bool = False
    a_team: bool = False
    swapped_station: bool = False

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "SimulationParameters":
        """Parameters of a kind of observation, `PRESETS`.

        Parameters
        ----------
        name : str
            One of `PRESETS`.
        **changes
            Parameters that are to be others.

        Returns
        -------
        SimulationParameters

        Raises
        ------
        UsageError
            When there is no such preset.
        """
        if name not in PRESETS:
            raise UsageError(f"preset: expected one of {', '.join(PRESETS)}, got {name!r}")
        return cls(**(PRESETS[name] | changes))

    @property
    def beam_interval_s(self) -> float:
        """Time between beams in s."""
        return float(quantity("beam_interval", self.beam_interval, u.s).value)

    @property
    def diffractive_scale_km(self) -> float:
        """Diffractive scale of the ionosphere in km."""
        return float(quantity("diffractive_scale", self.diffractive_scale, u.km).value)

    @property
    def screen_height_km(self) -> float:
        """Height of the ionosphere in km."""
        return float(quantity("screen_height", self.screen_height, u.km).value)

    @property
    def wind_km_s(self) -> float:
        """Speed of the ionosphere in km/s."""
        return float(quantity("wind", self.wind, u.km / u.s).value)

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
        limits |= {"outskirts": (0, 500)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name}: expected {low} to {high}, got {getattr(self, name)}")
        ranges = {
            "beam_interval": (self.beam_interval_s, 1, 3600, "1 s to 1 h"),
            "diffractive_scale": (self.diffractive_scale_km, 1, 1000, "1 to 1000 km"),
            "screen_height": (self.screen_height_km, 80, 1000, "80 to 1000 km"),
            "wind": (self.wind_km_s, 0, 2, "0 to 2 km/s"),
        }
        for name, (value, least, most, words) in ranges.items():
            if not least <= value <= most:
                raise UsageError(f"{name}: expected {words}, got {getattr(self, name)}")
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


# All that makes LOFAR hard.
HARD = {"direction_dependent": True, "a_team": True, "swapped_station": True}

# Observations to simulate: what they change of the parameters.
#
# `benchmark`: all 62 station fields, 2 hours, 10 subbands in 11.8 GB. 5 s and 24.4 kHz are enough for images of 4.5
# degrees at 12 arcsec: at the edge, 2.3 degrees out, a Gaussian beam loses 1.5 % of a source's peak by time smearing
# (1.22e-9 (distance / beam)^2 (time / s)^2, Bridle and Schwab 1999) and 0.4 % by bandwidth smearing, within a degree a
# fifth of that; 3C196 in the middle loses nothing at any resolution. In 5 s a screen at 200 m/s moves 1 km, over which
# its phase changes by 0.08 rad at a diffractive scale of 20 km, which costs 0.1 % of a fringe; clocks drift by less
# than 0.01 rad. Narrow interference stands as its mean over 24.4 kHz.
# `full-resolution`: three minutes of one subband as the correlator writes it.
# `small`: everything that the benchmark has, on few stations, for tests.
PRESETS: dict[str, dict[str, Any]] = {
    "rehearsal": {},
    "benchmark": {"subbands": 10, "channels": 8, "scans": 1, "scan": "2 h", "interval": "5 s", "outskirts": 50} | HARD,
    "full-resolution": {
        "subbands": 1,
        "channels": 64,
        "hours": 0.05,
        "scans": 1,
        "scan": "180 s",
        "interval": "1 s",
        "outskirts": 50,
    }
    | HARD,
    "small": {
        "subbands": 2,
        "channels": 8,
        "hours": 0.5,
        "scans": 2,
        "scan": "40 s",
        "stations": 12,
        "sources": 10,
        "outskirts": 3,
    }
    | HARD,
}
