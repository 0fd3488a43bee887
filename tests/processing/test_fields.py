"""Where other fields, windows and observations come first, beams are still those of the chosen ones."""

import shutil
from dataclasses import replace

import made_sets as made
import numpy as np
import pytest

from lofarlake_nb.observation import measurement_set, writer
from lofarlake_nb.parameters import AverageParameters, FlagParameters
from lofarlake_nb.processing import averaging, flagging
from lofarlake_nb.processing.ateam.sources import ATEAM
from lofarlake_nb.processing.gains import response
from lofarlake_nb.processing.images import station_beams
from lofarlake_nb.processing.images.geometry import Geometry
from lofarlake_nb.processing.sky import beam
from lofarlake_nb.processing.sky.predict import direction_cosines

CAS = ATEAM[0].direction
# 12° north of Cas A.
CENTRE = CAS[0], CAS[1] + np.deg2rad(12)
AVERAGE = AverageParameters(interval="8 s", channel="24.5 kHz", ateam="clip", ateam_level=1.0)
# Near, and beyond the reach of a grid.
AROUND = np.array(CENTRE) + np.deg2rad([[0.0, 0.0], [1.5, -1.0], [-4.0, 3.0], [30.0, -20.0]])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return made.plain(tmp_path_factory.mktemp("alone") / "L123456_SB000_uv.MS", phase_centre=CENTRE)


def first_field(path):
    """FIELD begins with one 20° further south."""

    def away(t):
        for name in ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR", "LOFAR_TILE_BEAM_DIR"):
            t.putcell(name, 0, t.getcell(name, 0) - [0, np.deg2rad(20)])

    made.change(path, "FIELD", lambda t: t.copyrows(t))
    made.change(path, "FIELD", away)
    made.change(path, "", lambda t: t.putcol("FIELD_ID", np.ones(t.nrows(), np.int32)))


def first_window(path):
    """SPECTRAL_WINDOW begins with one 40 MHz higher up, which FEED has rows of."""

    def higher(t):
        for name in ("CHAN_FREQ", "REF_FREQUENCY"):
            t.putcell(name, 0, t.getcell(name, 0) + 40e6)

    made.change(path, "SPECTRAL_WINDOW", lambda t: t.copyrows(t))
    made.change(path, "SPECTRAL_WINDOW", higher)
    made.change(path, "DATA_DESCRIPTION", lambda t: t.copyrows(t))
    made.change(path, "DATA_DESCRIPTION", lambda t: t.putcell("SPECTRAL_WINDOW_ID", 1, 1))
    made.change(path, "FEED", lambda t: t.copyrows(t))
    window = np.repeat([0, 1], made.STATIONS).astype(np.int32)
    made.change(path, "FEED", lambda t: t.putcol("SPECTRAL_WINDOW_ID", window))
    made.change(path, "", lambda t: t.putcol("DATA_DESC_ID", np.ones(t.nrows(), np.int32)))


def first_observation(path):
    """OBSERVATION begins with one by a telescope whose beam is not known, with other names."""

    def other(t):
        for name in ("TELESCOPE_NAME", "LOFAR_OBSERVATION_ID", "LOFAR_ANTENNA_SET"):
            t.putcell(name, 0, "NOWHERE")

    made.change(path, "OBSERVATION", lambda t: t.copyrows(t))
    made.change(path, "OBSERVATION", other)
    made.change(path, "", lambda t: t.putcol("OBSERVATION_ID", np.ones(t.nrows(), np.int32)))


def every(path):
    first_field(path)
    first_window(path)
    first_observation(path)


@pytest.fixture(
    scope="module", params=[first_field, first_window, first_observation, every], ids=lambda make: make.__name__
)
def behind(alone, tmp_path_factory, request):
    """The same observation, whose field, window or observation is the second one."""
    path = tmp_path_factory.mktemp(request.param.__name__) / alone.name
    shutil.copytree(alone, path)
    request.param(path)
    return path


def averaged_of(path, work, client):
    field = measurement_set.layout(path).field
    flagged = flagging.flag([path], FlagParameters(field_id=field), work=work, client=client)
    return averaging.average(flagged, AVERAGE, work=work, client=client)


@pytest.fixture(scope="module")
def averaged(behind, client):
    return averaged_of(behind, behind.parent, client)


@pytest.fixture(scope="module")
def expected(alone, tmp_path_factory, client):
    return averaged_of(alone, tmp_path_factory.mktemp("expected"), client)


def beams_of(path):
    layout = measurement_set.layout(path)
    lm = np.stack(direction_cosines(AROUND[:, 0], AROUND[:, 1], layout.phase_centre)[:2], axis=-1)
    return beam.evaluate(path, layout, lm, AROUND, 30.0, slice(None)).jones


def test_beams_are_those_of_the_chosen_field(alone, behind):
    """Of the observation as it came, before anything is averaged."""
    np.testing.assert_array_equal(beams_of(behind), beams_of(alone))


def test_the_a_team_is_judged_by_the_beam_of_the_chosen_field(averaged, expected):
    assert averaged.ateam == expected.ateam
    assert averaged.ateam[0].decision == "clipped"
    found, wanted = made.averages(averaged), made.averages(expected)
    for name in ("DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW"):
        np.testing.assert_array_equal(found[name], wanted[name])


def test_what_is_averaged_has_one_field_and_its_beams(averaged, expected, tmp_path):
    pairs = []
    for one in (averaged, expected):
        path = tmp_path / f"{len(pairs)}.MS"
        shutil.copytree(one.measurement_sets[0], path)
        writer.add_column(path, "CORRECTED_DATA")
        layout = measurement_set.layout(path)
        size = Geometry(64, np.deg2rad(0.1), 0.0, np.inf, 0.0, (0.0, 0.8))
        field = station_beams.station_beams(path, layout, size, float(layout.frequencies.mean()))
        described = replace(measurement_set.describe(path), path=None)
        pairs.append(
            (
                beams_of(path),
                field.jones,
                response.power(response.towards_centre(path, layout)),
                described,
            )
        )
        with measurement_set.opened(path) as ms:
            for name in ("FIELD", "SPECTRAL_WINDOW", "OBSERVATION", "DATA_DESCRIPTION"):
                assert measurement_set.first_row(ms, name, 1) == {}
            assert measurement_set.first_row(ms, "FEED", made.STATIONS) == {}
    for found, wanted in zip(*pairs, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_of_two_fields_that_were_observed_each_has_its_own(alone, tmp_path):
    """Rows of both: what stations see of the same places differs, and is the chosen field's."""
    path = tmp_path / alone.name
    shutil.copytree(alone, path)
    first_field(path)
    made.doubled(path, "FIELD_ID", "HISTORY")
    rows = measurement_set.layout(alone).rows.size
    made.change(path, "", lambda t: t.putcol("FIELD_ID", np.zeros(rows, np.int32), 0, rows))
    found = []
    for field in (0, 1):
        layout = measurement_set.layout(path, field=field)
        lm = np.stack(direction_cosines(AROUND[:, 0], AROUND[:, 1], layout.phase_centre)[:2], axis=-1)
        found.append(beam.evaluate(path, layout, lm, AROUND, 30.0, slice(None)).jones)
    np.testing.assert_array_equal(found[1], beams_of(alone))
    assert np.abs(found[0][:, :, 0]).max() < 0.1 * np.abs(found[1][:, :, 0]).max()
