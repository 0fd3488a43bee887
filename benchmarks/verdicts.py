"""Whether the verdict on a calibration can be trusted: 100 spoiled versions of real LOFAR scans and 100 fair ones.

``LOFARLAKE_REAL_DATA=FOLDER python -m benchmarks.verdicts``: none of the spoiled may be called good, none of the fair
ones failed. The scans are 3C295 (61 stations, two slots) and 3C48 (8 stations, six slots); see docs/processing.md.
"""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lofarlake_nb.observation import archive, measurement_set, unpacking
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.parameters import CalibrationParameters
from lofarlake_nb.processing import sky_model
from lofarlake_nb.processing.gains import block, response, sensitivity, solving
from lofarlake_nb.processing.gains.assessment import Assessment, Stations, assess
from lofarlake_nb.processing.sky.components import SkyModel
from lofarlake_nb.processing.sky.predict import visibilities

SCANS = ("L102085*.tar", "L114220*.tar")


@dataclass(frozen=True)
class Scan:
    """A scan in memory, cross-correlations only."""

    layout: Layout
    columns: dict[str, np.ndarray]
    stations: Stations
    model: SkyModel

    @property
    def count(self) -> int:
        """Stations."""
        return len(self.layout.stations)


def load(path: Path) -> Scan:
    """Scan of a Measurement Set with a calibrator at its centre."""
    whole = measurement_set.layout(path)
    cross = whole.cross
    columns = measurement_set.read(path, whole, ["DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"], slice(None))
    layout = replace(whole, antenna1=whole.antenna1[cross], antenna2=whole.antenna2[cross], rows=whole.rows[:, cross])
    nominal = sensitivity.expected(layout, measurement_set.antenna_set(path))
    return Scan(
        layout,
        {name: values[:, cross] for name, values in columns.items()},
        Stations(nominal, response.power(response.towards_centre(path, layout))),
        sky_model.load("", layout.phase_centre),
    )


def judged(scan: Scan) -> Assessment:
    """What calibration by default settings makes of a scan."""
    layout, parameters = scan.layout, CalibrationParameters()
    model = visibilities(scan.model, scan.columns["UVW"], layout.frequencies, layout.phase_centre)[..., None]
    made = block.make(scan.columns, model, layout, slice(0, len(layout.times)), parameters)
    distance = float(np.rad2deg(scan.model.distance(layout.phase_centre)))
    return assess([solving.solve(made)], [layout], [scan.stations], {}, distance)


def permuted(scan: Scan, rng: np.random.Generator) -> Scan:
    """Its baselines are mixed up, the same way in each slot."""
    order = rng.permutation(len(scan.layout.antenna1))
    return _with(scan, DATA=scan.columns["DATA"][:, order])


def noise_alone(scan: Scan, rng: np.random.Generator) -> Scan:
    """Noise as strong as the data."""
    data = scan.columns["DATA"]
    strength = np.sqrt((np.abs(data) ** 2).mean(axis=(0, 2, 3), keepdims=True) / 2)
    drawn = rng.normal(size=(2, *data.shape))
    return _with(scan, DATA=((drawn[0] + 1j * drawn[1]) * strength).astype(np.complex64))


def elsewhere(scan: Scan, rng: np.random.Generator) -> Scan:
    """Its model lies 2 to 8 degrees from the phase centre."""
    distance, angle = np.deg2rad(rng.uniform(2, 8)), rng.uniform(0, 2 * np.pi)
    model = scan.model
    dec = model.dec + distance * np.cos(angle)
    ra = model.ra + distance * np.sin(angle) / np.cos(dec)
    return replace(scan, model=replace(model, ra=ra, dec=dec))


def model_off_by_two(scan: Scan, rng: np.random.Generator) -> Scan:
    """The model has twice the flux, or half of it; so do other seeds' stations."""
    model = scan.model
    wrong = replace(scan, model=replace(model, flux=model.flux * rng.choice([0.5, 2.0])))
    return fewer_stations(wrong, rng) if rng.random() < 0.5 else wrong


def data_off_by_two(scan: Scan, rng: np.random.Generator) -> Scan:
    """The data are twice as strong, or half."""
    return _with(scan, DATA=scan.columns["DATA"] * np.complex64(rng.choice([0.5, 2.0])))


def one_slot(scan: Scan, rng: np.random.Generator) -> Scan:
    """One slot only."""
    return _slots(scan, rng.integers(len(scan.layout.times), size=1))


def fewer_stations(scan: Scan, rng: np.random.Generator) -> Scan:
    """A half to all of its stations, at least 6."""
    count = int(rng.integers(max(6, scan.count // 2), scan.count + 1))
    return _stations(scan, np.sort(rng.permutation(scan.count)[:count]))


def fewer_channels(scan: Scan, rng: np.random.Generator) -> Scan:
    """Some of its channels, where it has any to choose from."""
    n_channel = len(scan.layout.frequencies)
    kept = np.sort(rng.permutation(n_channel)[: int(rng.integers(1, n_channel + 1))])
    columns = {name: v if name == "UVW" else v[:, :, kept] for name, v in scan.columns.items()}
    return replace(scan, layout=replace(scan.layout, frequencies=scan.layout.frequencies[kept]), columns=columns)


def fewer_slots(scan: Scan, rng: np.random.Generator) -> Scan:
    """Two or more of its slots, one after the other."""
    n_time = len(scan.layout.times)
    count = int(rng.integers(2, n_time + 1))
    start = int(rng.integers(0, n_time - count + 1))
    return _slots(scan, np.arange(start, start + count))


def renumbered(scan: Scan, rng: np.random.Generator) -> Scan:
    """Its stations in another order, with all that belongs to them."""
    return _stations(scan, rng.permutation(scan.count))


def swapped(scan: Scan, rng: np.random.Generator) -> Scan:
    """Two of its stations under each other's names."""
    order = np.arange(scan.count)
    a, b = rng.permutation(scan.count)[:2]
    order[[a, b]] = b, a
    scan, mixed = _stations(scan, np.arange(scan.count)), _stations(scan, order)
    return replace(scan, columns=scan.columns | {n: mixed.columns[n] for n in ("DATA", "FLAG", "WEIGHT_SPECTRUM")})


SPOILED: dict[str, Callable[[Scan, np.random.Generator], Scan]] = {
    "baselines permuted": permuted,
    "noise alone": noise_alone,
    "model degrees away": elsewhere,
    "flux of the model off by 2": model_off_by_two,
    "scale of the data off by 2": data_off_by_two,
    "one slot": one_slot,
}
FAIR: dict[str, Callable[[Scan, np.random.Generator], Scan]] = {
    "fewer stations": fewer_stations,
    "fewer channels": fewer_channels,
    "fewer slots": fewer_slots,
    "stations renumbered": renumbered,
    "two stations swapped": swapped,
}


def versions(scans: list[Scan], ways: dict, count: int) -> Iterator[tuple[str, Assessment]]:
    """Judge versions of scans, in turn by each way.

    Parameters
    ----------
    scans : list of Scan
    ways : dict
        `SPOILED` or `FAIR`.
    count : int

    Yields
    ------
    tuple
        Name of the way, and what is thought of the version.
    """
    names = list(ways)
    for seed in range(count):
        name, scan = names[seed % len(names)], scans[seed // len(names) % len(scans)]
        yield name, judged(ways[name](scan, np.random.default_rng(seed)))


def scans(data: Path, folder: Path) -> list[Scan]:
    """Real scans, unpacked into a folder."""
    found = []
    for pattern in SCANS:
        place = unpacking.unpack(archive.blocks_of(next(data.glob(pattern))), folder / pattern[:7])
        found.append(load(measurement_set.find(place)[0]))
    return found


def _with(scan: Scan, **columns: np.ndarray) -> Scan:
    return replace(scan, columns=scan.columns | columns)


def _slots(scan: Scan, kept: np.ndarray) -> Scan:
    layout = replace(scan.layout, times=scan.layout.times[kept], rows=scan.layout.rows[kept])
    return replace(scan, layout=layout, columns={name: v[kept] for name, v in scan.columns.items()})


def _stations(scan: Scan, kept: np.ndarray) -> Scan:
    """Stations of these indices, in this order; baselines turned round where their stations change places."""
    layout = scan.layout
    place = np.full(scan.count, -1)
    place[kept] = np.arange(len(kept))
    first, second = place[layout.antenna1], place[layout.antenna2]
    turned = first > second
    there = np.flatnonzero((first >= 0) & (second >= 0))
    low, high = np.minimum(first, second)[there], np.maximum(first, second)[there]
    order = np.lexsort((high, low))
    chosen = there[order]
    columns = {name: v[:, chosen].copy() for name, v in scan.columns.items()}
    back = turned[chosen]
    columns["UVW"][:, back] *= -1
    for name in ("DATA", "FLAG", "WEIGHT_SPECTRUM"):
        columns[name][:, back] = columns[name][:, back][..., [0, 2, 1, 3]]
    columns["DATA"][:, back] = columns["DATA"][:, back].conj()
    smaller = replace(
        layout,
        antenna1=low[order],
        antenna2=high[order],
        rows=layout.rows[:, chosen],
        stations=tuple(layout.stations[i] for i in kept),
        positions=layout.positions[kept],
    )
    return Scan(smaller, columns, replace(scan.stations, nominal=scan.stations.nominal[kept]), scan.model)


def main() -> int:
    """Count the verdicts; 1 when one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="versions of each kind")
    count = parser.parse_args().count
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        real = scans(Path(os.environ["LOFARLAKE_REAL_DATA"]), Path(folder))
        for title, ways, never in (("spoiled", SPOILED, "good"), ("fair", FAIR, "failed")):
            found: dict[str, Counter] = {name: Counter() for name in ways}
            for name, assessment in versions(real, ways, count):
                found[name][assessment.judged.verdict] += 1
                if assessment.judged.verdict == never:
                    print(f"  {name}: {assessment.judged.reasons} {assessment.evidence}")
            print(f"{title}: {count} versions, none may be {never}")
            for name, verdicts in found.items():
                wrong += verdicts[never]
                print(f"  {name:28}" + ", ".join(f"{v} {verdicts[v]}" for v in ("good", "doubtful", "failed")))
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
