"""Parameters of the steps of stage 2."""

import math
from dataclasses import dataclass

import astropy.units as u

from lofarlake_nb.errors import UsageError
from lofarlake_nb.parameters.quantities import place, quantity, seconds

# With fewer pixels a beam, the clean leaves fringes.
FEWEST_PIXELS_A_BEAM = 3.0
# As many as there are where nobody says.
PIXELS_A_BEAM = 3.5


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

    Examples
    --------
    >>> FlagParameters(noisy=3.0, column="CORRECTED_DATA").flagged
    0.9
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

    Examples
    --------
    >>> AverageParameters(interval="8 s", channel="48.83 kHz").interval
    '8 s'
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

    Whether data that are calibrated already are corrected for the stations' beams isn't known. They stay as they are,
    unless `beam` is ``always``: the beams are in them still, are corrected for towards the phase centre, and the
    model's sources outside of the field are subtracted through them.

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
        alignment and clocks are applied before the solve, without what its dipoles saw at its elevation. Empty for
        none.
    directions : int
        Most groups of sources that get gains of their own, where the model has them; 0 for none.
    direction_interval : str
        Time of one such solution at the most; bright directions get them as often as there are slots.
    field : str
        Width of the field to be imaged: the model's sources outside of it are subtracted. Empty for none.

    Examples
    --------
    >>> CalibrationParameters(solve="full", minimum_uv=500.0).slots
    1
    """

    solve: str = "diagonal"
    slots: int = 1
    channels: int = 1
    minimum_uv: float = 200.0
    beam: str = "auto"
    beam_interval: str = "120 s"
    solutions: str = ""
    directions: int = 20
    direction_interval: str = "60 s"
    field: str = "5 deg"

    @property
    def solves(self) -> bool:
        """Whether gains are solved, so that there must be a model; else the data are calibrated already."""
        return self.solve != "none"

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
        if self.field and not 0 < quantity("field", self.field, u.deg).value <= 90:
            raise UsageError(f"field: expected up to 90 deg, or nothing, got {self.field}")
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
        Most subtractions from the visibilities; where sources get facets, up to four more come before.
    mask_sigma, threshold_sigma : float
        Peaks above the first are sought, then cleaned down to the second, in units of the residual's noise.
    multiscale : bool
        Clean with extended components too.
    mask : str
        FITS image of the same size; components are sought only where it is not 0. Empty for none; not for the `cutout`.
    primary_beam : bool
        Make the average primary beam, and an image corrected for it, where EveryBeam knows the telescope.
    circular : bool
        Make an image of Stokes V too, where nothing but noise is expected.
    cutout : str
        Width of a second image, at the finest resolution of the data, from which the first one's sources outside of it
        are subtracted; empty for none.
    cutout_centre : str
        Its centre, as ``"08h13m36s +48d13m03s"``; empty for the phase centre.

    Examples
    --------
    >>> ImageParameters(field="3 deg", resolution="20 arcsec").robust
    -0.5
    >>> ImageParameters(resolution="20 arcsec", cell="10 arcsec")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.UsageError: a beam of 20 arcsec has 2.0 pixels of 10 arcsec, expected 3 or more;
    use cell 5.71 arcsec, or a coarser resolution
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
        self._check_pixels()
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
        if self.cutout_centre:
            place("cutout_centre", self.cutout_centre)
        if self.facets != "auto" and not (self.facets.isdecimal() and int(self.facets) <= 250):
            raise UsageError(f"facets: expected auto or 0 to 250, got {self.facets!r}")
        if not 0 <= self.channels <= 64:
            raise UsageError(f"channels: expected 0 (auto) or up to 64, got {self.channels}")
        if not self.mask_sigma >= self.threshold_sigma > 0:
            raise UsageError(
                f"mask_sigma {self.mask_sigma}, threshold_sigma {self.threshold_sigma}: expected the first to be "
                "the larger, both above 0"
            )

    def _check_pixels(self) -> None:
        """Refuse too few pixels a beam, where both are told; where one is, the other follows from it."""
        if self.resolution == "auto" or (self.cell == "auto" and not self.npix):
            return
        beam = quantity("resolution", self.resolution, u.arcsec).value
        whole = quantity("field", self.field, u.arcsec).value
        cell = whole / self.npix if self.cell == "auto" else quantity("cell", self.cell, u.arcsec).value
        if beam < FEWEST_PIXELS_A_BEAM * cell * 0.999:
            raise UsageError(
                f"a beam of {beam:.3g} arcsec has {beam / cell:.1f} pixels of {cell:.3g} arcsec, "
                f"expected {FEWEST_PIXELS_A_BEAM:.0f} or more",
                f"use cell {beam / PIXELS_A_BEAM:.3g} arcsec, or a coarser resolution",
            )
