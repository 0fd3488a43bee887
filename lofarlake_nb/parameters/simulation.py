"""Parameters of a simulated observation, and presets of them."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters.quantities import quantity


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

    Examples
    --------
    >>> SimulationParameters(hours=0.5, subbands=2, scans=3).observation_id
    '667520'
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
