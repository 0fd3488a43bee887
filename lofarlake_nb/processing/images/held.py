"""Visibilities held by the workers, in memory or on disk, from loading to the last major cycle."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import distributed
import numpy as np

from lofarlake_nb.parameters import ImageParameters
from lofarlake_nb.processing import engines
from lofarlake_nb.processing.images import facet_tasks, facets, gridding, primary_beam
from lofarlake_nb.processing.images.bands import Bands
from lofarlake_nb.processing.images.facets import Facet
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.images.parts import Part
from lofarlake_nb.processing.images.primary_beam import ChunkBeam
from lofarlake_nb.processing.images.restoring import Beam, fit_beam
from lofarlake_nb.processing.images.station_beams import KeptBeams
from lofarlake_nb.processing.images.summing import ONE_BY_ONE, add_pairs, folded, leave, tree_sum

PREVIEW_PIXELS = 512


@dataclass(frozen=True)
class Held:
    """Chunks of weighted visibilities on the workers.

    Parameters
    ----------
    chunks : list of Future
        Of `chunks.Chunk` or `chunks.OnDisk`.
    groups : list of int
        Which of the images over frequency each chunk belongs to.
    beams : list of ChunkBeam or None
        How each chunk sees the field.
    power : list of ChunkBeam or None
        Weighted mean of the square of that, for each image over frequency; None where all see the same.
    parts : list of Part
        What the chunks were read from.
    cells : Future or None
        Density of the natural weights, for Briggs weights.
    geometry : Geometry
        Of the image that they are for.
    parameters : ImageParameters
    client : distributed.Client
    folder : Path
        Where models for the workers, and chunks on disk, lie.
    sums : (group, 4) float64
        Of `chunks.Chunk`, for each image over frequency.
    bands : Bands
    accuracy : float
        Of the gridder.
    facets : tuple of Facet
        Patches that are seen through their own beams and gains.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> from lofarlake_nb.processing.images.loading import Need, load
    >>> layouts = [measurement_set.layout(path) for path in calibrated.measurement_sets]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "held", "edges": np.array([0, np.inf])}
    >>> held = load(calibrated.measurement_sets, layouts, chosen.image, size, session.client, need=how, **where)
    >>> dirty, _ = held.dirty_and_psf()
    >>> left = held.subtract(np.zeros((1, 512, 512), np.float32))  # of nothing
    >>> bool(np.allclose(left, dirty, atol=1e-3)), round(held.frequency / 1e6, 2)
    (True, 134.96)
    >>> held.close()
    >>> (work / "held").exists()
    False
    """

    chunks: list[distributed.Future]
    groups: list[int]
    beams: list[ChunkBeam | None]
    power: list[ChunkBeam] | None
    parts: list[Part]
    cells: distributed.Future | None
    geometry: Geometry
    parameters: ImageParameters
    client: distributed.Client
    folder: Path
    sums: np.ndarray
    bands: Bands
    accuracy: float
    facets: tuple[Facet, ...] = ()

    @property
    def thermal(self) -> float:
        """Noise that the weights leave in the image, Jy / beam."""
        return float(np.sqrt(self.sums[:, 1].sum()) / self.sums[:, 0].sum())

    @property
    def frequency(self) -> float:
        """That fluxes are brought to, Hz."""
        return self.parts[0].spectrum[1]

    @property
    def count(self) -> int:
        """Visibilities with weight."""
        return int(self.sums[:, 3].sum())

    def preview(self) -> Beam:
        """Main lobe of the point spread function, from a small image of it."""
        small = replace(self.geometry, npix=min(PREVIEW_PIXELS, self.geometry.npix))
        total = self._psf(range(len(self.chunks)), small, gridding.COARSE)
        return fit_beam(total.result() / self.sums[:, 0].sum(), small.cell)

    def dirty_and_psf(self) -> tuple[np.ndarray, np.ndarray]:
        """Dirty images and point spread functions, each (group, npix, npix) float32, Jy / beam."""
        self._give_back()  # what loading and the preview took
        sums = self._sums(gridding.dirty, self.geometry, self.accuracy)
        # The psf by tasks of their own: the less a task takes, the less a worker waits for another's last one.
        coarse, behind = max(self.accuracy, gridding.PSF), len(self.chunks)
        psf_sums = [self._psf(its, self.geometry, coarse, behind) for its in self._by_group()]
        dirty = self._even(self._means(sums))  # while the workers make the others
        psf = self._means(psf_sums)
        # The psf's peak is 1 but for the gridder's error; radler wants it exact.
        centre = self.geometry.npix // 2
        psf /= psf[:, centre, centre][:, None, None].copy()
        self._give_back()
        return dirty, psf

    def subtract(self, model: np.ndarray) -> np.ndarray:
        """Images of what models leave of the visibilities.

        Parameters
        ----------
        model : (group, npix, npix) float32, Jy / pixel

        Returns
        -------
        (group, npix, npix) float32, Jy / beam
        """
        # Through a file: a model that lies on a worker is lost with the worker.
        file = self.folder / "model.npy"
        np.save(file, model)
        if not self.facets:
            sums = self._sums(gridding.residual, file, self.geometry, self.accuracy, grouped=True)
            images = self._even(self._means(sums))
            self._give_back()
            return images
        seen = self.folder / facets.FILE
        arguments = (file, self.geometry, self.accuracy, seen)
        sums = [
            tree_sum(futures, self.client, add_pairs)
            for futures in self._submit(facet_tasks.residual, *arguments, grouped=True, add=add_pairs)
        ]
        images = np.empty_like(model)
        patches = []
        for image, future, total in zip(images, sums, self.sums[:, 0].astype(np.float32), strict=True):
            image[:], *parts = self.brought(future)
            image /= total
            patches.append([np.asarray(part, np.float32) / total for part in parts])
        images = self._even(images)
        for image, its_own in zip(images, patches, strict=True):
            facets.inserted(image, its_own, self.facets)
        self._give_back()
        return images

    def with_facets(self, chosen: Sequence[Facet]) -> "Held":
        """The same visibilities, with patches that are seen through their own beams and gains.

        Parameters
        ----------
        chosen : sequence of Facet
            Their `scale` is set here.
        """
        file = facets.put(self.folder, chosen, self.geometry.npix)
        futures = [self.client.submit(facet_tasks.means, chunk, file, pure=False) for chunk in self.chunks]
        means = tree_sum(futures, self.client).result() / self.sums[:, 0].sum()
        known = tuple(replace(f, scale=float(m)) for f, m in zip(chosen, means, strict=True))
        facets.put(self.folder, known, self.geometry.npix)
        return replace(self, facets=known)

    def less(self, wide: "Held", model: np.ndarray) -> "Held":
        """These visibilities less the model (group, npix, npix), Jy / pixel, of another image of the same chunks.

        Groups are the other image's: one of them may be without weight, and so not be, in one of the two only.
        """
        file = wide.folder / "around.npy"
        np.save(file, model)
        if not wide.facets:
            facets.put(wide.folder, [], wide.geometry.npix)
        common = (file, wide.geometry, wide.accuracy, wide.folder / facets.FILE)
        left = [
            self.client.submit(facet_tasks.less, chunk, beam, *common, group, pure=False)
            for chunk, beam, group in zip(self.chunks, wide.beams, wide.groups, strict=True)
        ]
        distributed.wait(left)
        return replace(self, chunks=left)

    def brought(self, future: distributed.Future) -> tuple[Any, ...]:
        """A sum of images on the workers, through a file, and what was summed with them."""
        file = self.folder / "sum.npy"
        others = self.client.submit(leave, future, file, pure=False).result()
        image = np.load(file)
        file.unlink()
        return image, *others

    def _give_back(self) -> None:
        """Give what nobody uses any more back to the system, here and on the workers: now the other one needs it."""
        self.client.run(engines.trim, on_error="ignore")
        engines.trim()

    def _even(self, images: np.ndarray) -> np.ndarray:
        """Images (group, npix, npix) that were seen twice through the chunks' beams, now in the flux that all see."""
        for image, power in zip(images, self.power or [], strict=self.power is not None):
            image /= primary_beam.over_image(power.ratio, power.step, self.geometry)
        return images

    def _sums(self, task, *arguments, grouped: bool = False) -> list[distributed.Future]:  # type: ignore[no-untyped-def]
        """Sums of a task's images over the chunks of each group."""
        return [tree_sum(futures, self.client) for futures in self._submit(task, *arguments, grouped=grouped)]

    def _means(self, sums: list[distributed.Future]) -> np.ndarray:
        """Images (group, npix, npix) of sums, divided by the sums of weights; the sums are used up."""
        images = []
        for total in self.sums[:, 0].astype(np.float32):
            images.append(np.require(self.brought(sums.pop(0))[0], np.float32))
            images[-1] /= total
        return images[0][None] if len(images) == 1 else np.stack(images)

    def _psf(self, its: Sequence[int], geometry: Geometry, accuracy: float, behind: int = 0) -> distributed.Future:
        """Sum of the point spread functions of some chunks."""
        each = [
            self.client.submit(gridding.psf, self.chunks[i], geometry, accuracy, pure=False, priority=-behind - i)
            for i in its
        ]
        return tree_sum(each, self.client)

    def _by_group(self) -> list[list[int]]:
        """Chunks of each image over frequency."""
        return [[i for i, its in enumerate(self.groups) if its == group] for group in range(len(self.sums))]

    def _submit(  # type: ignore[no-untyped-def]
        self, task, *arguments, grouped: bool, add: Callable[[Any, Any], Any] = np.add
    ) -> list[list[distributed.Future]]:
        """A task on each chunk, by image over frequency; they run in the order in which they are summed."""
        at_once = self._at_once() if grouped else 1
        submitted = []
        for group, its in enumerate(self._by_group()):
            given = [*arguments, group] if grouped else arguments
            if at_once == 1:
                submitted.append(
                    [
                        self.client.submit(task, self.chunks[i], self.beams[i], *given, pure=False, priority=-i)
                        for i in its
                    ]
                )
                continue
            few = [its[n : n + ONE_BY_ONE] for n in range(0, len(its), ONE_BY_ONE)]
            alike = [([self.chunks[i] for i in one], [self.beams[i] for i in one]) for one in few]
            submitted.append(
                [
                    self.client.submit(folded, task, *both, given, add, at_once, pure=False, priority=-n)
                    for n, both in enumerate(alike)
                ]
            )
        return submitted

    def _at_once(self) -> int:
        """Chunks that a worker subtracts a model from at once: two where a single one would leave a core idle.

        They take less than the dirty image and the psf that memory is planned for (measured: 56 bytes a pixel), unless
        the accuracy asks for a finer grid.
        """
        alone = len(self.client.scheduler_info(n_workers=-1)["workers"]) == 1
        return 2 if alone and engines.cores() > 1 and self.accuracy >= gridding.PSF else 1

    def close(self) -> None:
        """Let go of the visibilities, and of what lies on disk."""
        for future in self.chunks:
            future.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def seen_by(beams: KeptBeams, held: Held) -> tuple[Held, np.ndarray]:
    """Visibilities that are imaged through their own beams, and the average of these, weighted as they are.

    Parameters
    ----------
    beams : StationBeams
    held : Held

    Returns
    -------
    held : Held
    average : (npix, npix) float32
        1 at the phase centre.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> from lofarlake_nb.processing.images.loading import Need, load
    >>> layouts = [measurement_set.layout(path) for path in calibrated.measurement_sets]
    >>> size, how = Geometry(512, 5e-5, 0.0, 4000.0, 0.0, (2.15, 0.84)), Need(10**6, False, 0, 0)
    >>> where = {"folder": work / "seen", "edges": np.array([0, np.inf])}
    >>> from lofarlake_nb.processing.images import station_beams
    >>> beams = station_beams.station_beams(calibrated.measurement_sets[0], layouts[0], size, 135e6)
    >>> its = {"need": how, "classes": station_beams.classes(beams)}
    >>> held = load(calibrated.measurement_sets, layouts, chosen.image, size, session.client, **its, **where)
    >>> seen, average = seen_by(station_beams.put(held.folder, beams), held)
    >>> round(float(average[256, 256]), 3), 0.8 < float(average.min()) < 0.9  # in the corners
    (1.0, True)
    >>> held.close()
    """
    found = held.client.gather(
        [held.client.submit(primary_beam.of_chunk, chunk, beams, pure=False) for chunk in held.chunks]
    )
    total = np.array([weight for weight, _ in found])
    used = np.flatnonzero(total)
    ratios, mean = primary_beam.ratios(np.stack([found[i][1] for i in used]), total[used])
    known: list[ChunkBeam | None] = [None] * len(total)
    power = np.zeros((len(held.sums), *mean.shape))
    for i, ratio in zip(used, ratios, strict=True):
        known[i] = ChunkBeam(ratio, beams.step)
        power[held.groups[i]] += total[i] * ratio**2
    power /= held.sums[:, 0, None, None]
    seen = [ChunkBeam(p, beams.step) for p in power]
    return replace(held, beams=known, power=seen), primary_beam.over_image(mean, beams.step, held.geometry)
