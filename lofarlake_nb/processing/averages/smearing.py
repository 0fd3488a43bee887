"""What averaging costs away from the phase centre: sources are smeared, and lose part of their peak.

Bridle and Schwab (1999), in Synthesis Imaging in Radio Astronomy II, chapter 18: a source at θ from the phase centre,
seen with a round Gaussian beam of width θ_b.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from scipy.special import erf

from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import AverageParameters, quantity
from lofarlake_nb.processing.images.geometry import MOST_PIXELS, PIXELS_A_BEAM
from lofarlake_nb.processing.sky.predict import LIGHT_M_S

# Of the peak, for a source anywhere and baselines all around: 1.22e-9 (θ / θ_b)² (τ / s)².
TIME_FACTOR = 1.22e-9


@dataclass(frozen=True)
class Smearing:
    """Loss of peak at the edge of the field.

    Parameters
    ----------
    radius_deg : float
        From the phase centre to the edge.
    beam_arcsec : float
        Resolution that was assumed.
    time_loss, bandwidth_loss : float
        Parts of the peak, 0 to 1.
    limited : tuple of str
        ``interval`` or ``channel``, where the limit on the loss made it finer than asked for.

    Examples
    --------
    >>> round(Smearing(radius_deg=1.5, beam_arcsec=40.0, time_loss=0.1, bandwidth_loss=0.2).loss, 2)
    0.28
    """

    radius_deg: float
    beam_arcsec: float
    time_loss: float
    bandwidth_loss: float
    limited: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """Of both together."""
        return 1 - (1 - self.time_loss) * (1 - self.bandwidth_loss)


def time_loss(beams: float, interval: float) -> float:
    """Loss of peak by averaging in time.

    Parameters
    ----------
    beams : float
        Distance from the phase centre in beams.
    interval : float
        Of one slot, s.

    Examples
    --------
    >>> round(time_loss(beams=1000.0, interval=8.0), 4)
    0.0781
    """
    return float(min(1.0, TIME_FACTOR * (beams * interval) ** 2))


def bandwidth_loss(beams: float, fraction: float) -> float:
    """Loss of peak by averaging in frequency, for channels with steep edges.

    Parameters
    ----------
    beams : float
        Distance from the phase centre in beams.
    fraction : float
        Width of a channel over its frequency.

    Examples
    --------
    >>> round(bandwidth_loss(beams=1000.0, fraction=1e-3), 4)
    0.19
    """
    x = np.sqrt(np.log(2)) * beams * fraction
    return float(1 - np.sqrt(np.pi) / (2 * x) * erf(x)) if x > 1e-4 else float(x**2 / 3)


def beams_to_edge(parameters: AverageParameters, layouts: Sequence[Layout]) -> tuple[float, float]:
    """Radius of the field, and the beam, both in rad.

    Parameters
    ----------
    parameters : AverageParameters
        A resolution of ``auto`` is the finest that the baselines give and an image of the field can hold.
    layouts : sequence of Layout
        Of the Measurement Sets.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> wanted = AverageParameters(field="3 deg", resolution="40 arcsec")
    >>> np.rad2deg(beams_to_edge(wanted, [])).round(4).tolist()
    [1.5, 0.0111]
    """
    field = float(quantity("field", parameters.field, u.rad).value)
    if parameters.resolution != "auto":
        return field / 2, float(quantity("resolution", parameters.resolution, u.rad).value)
    finest = min(LIGHT_M_S / (_longest(layout) * layout.frequencies.max()) for layout in layouts)
    return field / 2, max(finest, PIXELS_A_BEAM * field / MOST_PIXELS)


def allowed(parameters: AverageParameters, layout: Layout, most: tuple[int, int]) -> tuple[int, int]:
    """Slots and channels that may become one before the edge of the field loses too much.

    Parameters
    ----------
    parameters : AverageParameters
        Half of its `smearing` is for time, half for frequency.
    layout : Layout
        Before averaging.
    most : tuple of int
        Slots and channels that are asked for.

    Returns
    -------
    tuple of int
        At most `most`, at least 1: data that are too coarse already stay as they are.

    Examples
    --------
    >>> wanted = AverageParameters(field="3 deg", resolution="10 arcsec")
    >>> allowed(wanted, flagged.sources[0].layout(), (15, 16))
    (2, 6)
    """
    radius, beam = beams_to_edge(parameters, [layout])
    limit, beams = parameters.smearing / 2, radius / beam
    slots, channels = most
    while slots > 1 and time_loss(beams, slots * layout.interval) > limit:
        slots -= 1
    lowest = float(layout.frequencies.min())
    while channels > 1 and bandwidth_loss(beams, channels * layout.channel_width / lowest) > limit:
        channels -= 1
    return slots, channels


def of(parameters: AverageParameters, layouts: Sequence[Layout], limited: Sequence[str] = ()) -> Smearing:
    """Loss at the edge of the field for averaged data.

    Parameters
    ----------
    parameters : AverageParameters
    layouts : sequence of Layout
        After averaging; the largest loss counts.
    limited : sequence of str
        See `Smearing`.

    Returns
    -------
    Smearing

    Examples
    --------
    >>> wanted = AverageParameters(field="3 deg", resolution="40 arcsec")
    >>> lost = of(wanted, [flagged.sources[0].layout()], ["interval"])
    >>> round(lost.radius_deg, 2), round(lost.time_loss, 5), round(lost.bandwidth_loss, 5), lost.limited
    (1.5, 0.00036, 4e-05, ('interval',))
    """
    radius, beam = beams_to_edge(parameters, layouts)
    beams = radius / beam
    return Smearing(
        radius_deg=float(np.rad2deg(radius)),
        beam_arcsec=float(np.rad2deg(beam) * 3600),
        time_loss=max(time_loss(beams, one.interval) for one in layouts),
        bandwidth_loss=max(bandwidth_loss(beams, one.channel_width / one.frequencies.min()) for one in layouts),
        limited=tuple(limited),
    )


def _longest(layout: Layout) -> float:
    ends = layout.positions[layout.antenna1] - layout.positions[layout.antenna2]
    return max(1.0, float(np.linalg.norm(ends, axis=1).max()))
