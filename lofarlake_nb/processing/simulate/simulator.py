"""Simulate a LOFAR HBA observation of 3C196: one Measurement Set a subband, and the truth beside them."""

import itertools
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofarlake_nb import steps
from lofarlake_nb.errors import NoSpace, ObservationError
from lofarlake_nb.parameters import SimulationParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.simulate import ionosphere, plan, subband, truth, visibilities
from lofarlake_nb.processing.simulate.plan import Observation
from lofarlake_nb.processing.simulate.subband import SubbandTruth
from lofarlake_nb.processing.simulate.truth import Truth

log = logging.getLogger(__name__)

# Slots over which the smearing that the truth tells is averaged.
SMEARING_SLOTS = 24

# In the folder of what is being made: the key of the simulation, once what it made goes to its places.
MOVING = "moving.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Simulated:
    """A simulated observation on disk.

    Examples
    --------
    >>> small = SimulationParameters(stations=3, subbands=1, channels=4, scans=1, scan="8 s", sources=0, beam=False)
    >>> simulated = simulate(Path("beamless"), small)
    >>> simulated.truth.name, simulated.sky_model.name, simulated.bytes > 1e6
    ('L667520_truth.npz', 'L667520.skymodel', True)
    """

    measurement_sets: tuple[Path, ...]
    truth: Path  # .npz, see truth.load
    summary: Path  # .json
    sky_model: Path
    bytes: int
    seconds: float


def simulate(directory: Path, parameters: SimulationParameters, progress: Progress | None = None) -> Simulated:
    """Simulate an observation, or find it when it was simulated before with the same parameters.

    The visibilities are in Jy, with gains around 1 and the station beams in them as LOFAR's correlator writes them:
    stations phased up towards the phase centre, dipole responses uncorrected. Beams are computed at intervals and lie
    on a line between them. Each sample is the mean over its slot and channel: fringes are smeared, narrow interference
    is diluted. Weights are 1, nothing is flagged, autocorrelations hold the system noise. All flux densities are on the
    scale of Scaife and Heald (2012).

    Parameters
    ----------
    directory : Path
        Gets ``L<id>_SAP000_SB###_uv.MS``, ``L<id>_truth.npz`` and ``.json``, and ``L<id>.skymodel``.
    parameters : SimulationParameters
    progress : callable, optional
        Told how many time slots of how many are done.

    Returns
    -------
    Simulated

    Raises
    ------
    ObservationError
        When another observation of that name is there.
    NoSpace
        When the disk is too small; known before it starts.

    Examples
    --------
    >>> small = SimulationParameters(stations=4, subbands=1, channels=4, hours=0.02, scans=1, scan="20 s", sources=1)
    >>> simulated = simulate(Path("made"), small)
    >>> [path.name for path in Path("made").glob("*.MS")]
    ['L667520_SAP000_SB000_uv.MS']
    """
    directory = Path(directory)
    name = f"L{parameters.observation_id}"
    record = directory / f"{name}_simulation.json"
    places = [directory / f"{name}_SAP000_SB{i:03d}_uv.MS" for i in range(parameters.subbands)]
    places += [directory / f"{name}{end}" for end in ("_truth.npz", "_truth.json", ".skymodel")]
    key = steps.key(parameters)
    made = directory / f".{name}.part"
    _make_way(record, key, places, sorted(directory.glob(f"{name}[_.]*")), made)

    def work() -> dict:
        started = time.monotonic()
        directory.mkdir(parents=True, exist_ok=True)
        _check_space(directory, parameters)
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        try:
            _simulate_into(made, parameters, [p.name for p in places], progress)
            # Until the record is written, this says whose are those that are in their places.
            steps.write_json(made / MOVING, {"key": key})
            for place in places:
                (made / place.name).rename(place)
        except BaseException:
            _remove(_moved(made, key, places))
            shutil.rmtree(made, ignore_errors=True)
            raise
        size = sum(f.stat().st_size for p in places for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file())
        return {"bytes": size, "seconds": time.monotonic() - started}

    result = steps.once(record, key, work, products=lambda _: places)
    shutil.rmtree(made, ignore_errors=True)
    count = parameters.subbands
    return Simulated(
        measurement_sets=tuple(places[:count]),
        truth=places[count],
        summary=places[count + 1],
        sky_model=places[count + 2],
        bytes=result["bytes"],
        seconds=result["seconds"],
    )


def in_words(parameters: SimulationParameters) -> str:
    """What an observation will be, and what it will take.

    Parameters
    ----------
    parameters : SimulationParameters

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> in_words(SimulationParameters()).partition(", about")[0]
    '4 subbands of 144 slots of 4 s and 16 channels of 12.2 kHz: 0.96 GB'
    """
    slots = len(plan.slots(parameters)[0])
    width = plan.SUBBAND_HZ / parameters.channels / 1e3
    minutes = plan.time_need(parameters, engines.cores()) / 60
    return (
        f"{parameters.subbands} subbands of {slots} slots of {parameters.interval} and {parameters.channels} channels "
        f"of {width:.1f} kHz: {plan.disk_need(parameters) / 1e9:.2f} GB, about {minutes:.1f} min on "
        f"{engines.cores()} cores"
    )


def _make_way(record: Path, key: str, places: list[Path], there: list[Path], made: Path) -> None:
    """Nothing that another simulation made may be in the way; what this one left unfinished goes."""
    if _key_in(record) != key:
        moved = _moved(made, key, places)
        others = [p for p in there if p != record and p not in moved and (not moved or p in places)]
        if others:
            raise ObservationError(
                f"{others[0]}: from another simulation", "remove it, or choose another folder or observation_id"
            )
        _remove(moved)
        return
    found = [p for p in places if p.exists()]
    if len(found) < len(places):
        _remove(found)


def _moved(made: Path, key: str, places: list[Path]) -> list[Path]:
    """Places that a simulation with that key had filled when it ended before its record was written."""
    if _key_in(made / MOVING) != key:
        return []
    return [p for p in places if p.exists() and not (made / p.name).exists()]


def _key_in(path: Path) -> str | None:
    try:
        kept = json.loads(path.read_text()) if path.is_file() else None
    except ValueError:
        return None
    return kept.get("key") if isinstance(kept, dict) else None


def _remove(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check_space(directory: Path, parameters: SimulationParameters) -> None:
    need, free = plan.disk_need(parameters), shutil.disk_usage(directory).free
    if need > free:
        raise NoSpace(
            f"{directory}: the observation takes {need / 1e9:.1f} GB, {free / 1e9:.1f} GB is free",
            "make room, or simulate fewer subbands, scans or stations",
        )


def _simulate_into(made: Path, parameters: SimulationParameters, names: list[str], progress: Progress | None) -> None:
    engines.prepare()
    observation = plan.draw(parameters)
    total = parameters.subbands * len(observation.times)
    counter, lock = itertools.count(1), threading.Lock()

    def tick() -> None:
        with lock:
            done = next(counter)
            if progress:
                progress(done, total)

    # The sums and the random numbers run without the interpreter's lock, so threads are enough.
    with ThreadPoolExecutor(min(engines.cores(), parameters.subbands)) as pool:
        jobs = [
            pool.submit(subband.write, made / names[i], i, observation, parameters, tick)
            for i in range(parameters.subbands)
        ]
        try:
            subbands = [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    told = _truth(observation, parameters, subbands)
    truth.write_summary(made / names[-2], told)
    told.save(made / names[-3])
    truth.write_sky_model(made / names[-1], observation.sky)
    log.info("simulated %d subbands of %d time slots, %d stations", len(subbands), len(told.times), len(told.stations))


def _truth(observation: Observation, parameters: SimulationParameters, subbands: list[SubbandTruth]) -> Truth:
    frequencies = np.stack([plan.channels_of(n, parameters.channels) for n in observation.numbers])
    ra, dec = observation.sky.positions()
    middle = float(frequencies.mean())
    causes, centre = observation.gains, np.stack([s.centre for s in subbands])
    return Truth(
        times=observation.times,
        frequencies=frequencies,
        stations=np.array([f.name for f in observation.fields]),
        positions=observation.positions,
        sefd=np.stack([observation.sefd(float(f.mean())) for f in frequencies]),
        dead=observation.dead,
        noisy=observation.noisy,
        swapped=observation.swapped,
        interval=parameters.interval_s,
        channel_width=plan.SUBBAND_HZ / parameters.channels,
        source_names=np.array(observation.sky.source_names),
        ra=ra,
        dec=dec,
        flux=np.bincount(observation.sky.source, observation.sky.fluxes(np.array([middle]))[:, 0]),
        in_field=observation.in_field,
        smearing=_smearing(observation, parameters, middle),
        beam=np.mean([s.beam for s in subbands], axis=0),
        centre_beam=np.sqrt((np.abs(centre) ** 2).sum(axis=-1)).mean(axis=(0, 1)),
        beam_times=observation.nodes.times,
        beam_nodes=np.stack([observation.nodes.first, observation.nodes.second, observation.nodes.weight]),
        centre_jones=centre,
        screen_wave=observation.screen.wave,
        screen_strength=observation.screen.strength,
        screen_turn=observation.screen.turn,
        screen_velocity=observation.screen.velocity,
        ground=ionosphere.ground(observation.positions, observation.fields[0].axes),
        pierce=observation.pierce,
        amplitude=causes.amplitude,
        phase=causes.phase,
        clock=causes.clock,
        tec=causes.tec,
        ripple=causes.ripple,
        roll_off=causes.roll_off,
        rfi_strength=np.stack([s.rfi.strength for s in subbands]),
        rfi_turn=np.stack([s.rfi.turn for s in subbands]),
        rfi_rate=np.stack([s.rfi.rate for s in subbands]),
    )


def _smearing(observation: Observation, parameters: SimulationParameters, middle: float) -> np.ndarray:
    """(source, station, station), from slots spread over the observation."""
    count, sources = len(observation.fields), len(observation.sky.source_names)
    left = np.ones((sources, count, count), dtype=np.float32)
    if parameters.smearing:
        slots = np.unique(np.linspace(0, len(observation.times) - 1, SMEARING_SLOTS).round().astype(int))
        lmn, weight = observation.sky.lmn(), np.bincount(observation.sky.source, observation.sky.flux)
        centres = np.stack(
            [np.bincount(observation.sky.source, observation.sky.flux * lmn[:, k]) / weight for k in range(3)], axis=-1
        )
        found = visibilities.smearing(
            centres,
            observation.uvw[slots],
            observation.turn[slots],
            observation.antenna1,
            observation.antenna2,
            np.array([middle, plan.SUBBAND_HZ / parameters.channels]),
        )
        for one, two in ((observation.antenna1, observation.antenna2), (observation.antenna2, observation.antenna1)):
            left[:, one, two] = found.T
    return left
