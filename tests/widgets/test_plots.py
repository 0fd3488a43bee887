"""Plots of gains, visibilities and the sky: what is drawn is where it is, and what is clicked is what is chosen."""

import html
from dataclasses import replace

import h5py
import numpy as np
import pytest
from casacore.tables import table
from matplotlib.figure import Figure

from lofarlake_nb.errors import NotAMeasurementSet, UsageError
from lofarlake_nb.lake import client, metadata
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.observations import Observation, observations
from lofarlake_nb.lake.rows import Rows
from lofarlake_nb.observation import measurement_set as measurement_sets
from lofarlake_nb.observation import writer
from lofarlake_nb.observation.measurement_set import Layout
from lofarlake_nb.observation.stations import StationField
from lofarlake_nb.observation.subtables import Identity
from lofarlake_nb.processing.gains import solutions
from lofarlake_nb.widgets import gains, interactive, opening, sky, visibilities

pytestmark = pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # ipympl's toolbar

CORE = np.array([3826577.0, 461022.0, 5064892.0])  # m, ITRF, about
STATIONS = ("CS001HBA0", "CS002HBA0", "RS106HBA")


@pytest.fixture
def layout():
    first, second = np.triu_indices(3, 1)
    return Layout(
        times=5.0e9 + 10.0 * np.arange(20),
        antenna1=first,
        antenna2=second,
        rows=np.arange(60).reshape(20, 3),
        frequencies=135e6 + 50e3 * np.arange(8),
        stations=STATIONS,
        positions=CORE + np.array([[0.0, 0, 0], [100, 0, 0], [0, 5000, 0]]),
        phase_centre=(np.deg2rad(123.4), np.deg2rad(48.2)),
        interval=10.0,
        channel_width=50e3,
    )


@pytest.fixture
def observed(layout, tmp_path):
    """A Measurement Set whose longest baseline has interference in one channel, which is flagged."""
    fields = [
        StationField(name, position, np.eye(3), np.zeros((24, 3)), np.zeros((16, 3)), 0.0)
        for name, position in zip(STATIONS, layout.positions, strict=True)
    ]
    path = tmp_path / "observed.MS"
    data = np.ones((20, 3, 8, 4), complex)
    data[:, 1, 3] = 100
    flag = np.zeros(data.shape, bool)
    flag[:, 1, 3] = True
    with writer.create(path, layout, identity=Identity("LC0_000", "1", "3C196", path.name, 0), fields=fields) as rows:
        rows.write(0, np.zeros((20, 3, 3)), DATA=data, FLAG=flag)
    return path


def test_what_is_flagged_is_not_in_the_spectrum_but_over_it(observed):
    figure = Figure()
    layout = measurement_sets.layout(observed)
    index = visibilities._index(layout, ("RS106HBA", "CS001HBA0"))
    visibilities.dynamic_spectrum(figure, observed, layout, index)
    spectrum, flags = figure.axes[0].images
    assert spectrum.get_array().mask[:, 3].all()
    assert spectrum.get_array().max() == 1
    assert (~flags.get_array().mask).sum() == 20
    assert "12.5 % flagged" in figure.axes[0].get_title()
    said = [figure.axes[0].yaxis.get_major_formatter()(slot, 0) for slot in (0, 5, 10, 15)]
    assert (said, figure.axes[0].get_ylabel()) == (["0", "50", "100", "150"], "seconds since the start")
    assert spectrum.get_extent()[:2] == pytest.approx((134.975, 135.375))


def test_the_uv_plane_is_covered_as_far_as_the_longest_baseline(layout):
    figure = Figure()
    visibilities.uv_coverage(figure, layout)
    points = np.concatenate([line.get_xydata() for line in figure.axes[0].lines])
    longest = np.linalg.norm([100.0, -5000.0, 0]) * layout.frequencies.mean() / visibilities.LIGHT / 1e3
    assert 0.5 * longest < np.hypot(*points.T).max() < 1.001 * longest
    assert len(points) == 2 * 20 * 3


def test_pictures_and_views_of_visibilities(observed):
    for what in ("uv", "spectrum"):
        assert visibilities.picture(observed, what).png.startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="spectrum"):
        visibilities.picture(observed, "other")
    with pytest.raises(UsageError, match="CS001HBA0"):
        visibilities.picture(observed, "spectrum", ("CS001HBA0", "DE601"))
    what, chosen, plot = opening.look(observed).children
    canvas = plot.children[-1]
    baseline, polarization, _column = chosen.children
    assert baseline.value == "CS002HBA0 & RS106HBA"
    polarization.value = 3
    assert "YY" in canvas.figure.axes[0].get_title()
    what.value = "uv"
    assert canvas.figure.axes[0].get_xlabel() == "u (kλ)"


def test_visibilities_by_any_name_are_shown(observed):
    with table(str(observed), readonly=False, ack=False) as ms:
        ms.renamecol("DATA", "SIMULATED")
    _what, chosen, _plot = opening.look(observed).children
    assert chosen.children[-1].value == "SIMULATED"


def test_channels_from_high_to_low_stand_at_their_frequencies(observed, layout):
    figure = Figure()
    falling = replace(layout, frequencies=layout.frequencies[::-1])
    visibilities.dynamic_spectrum(figure, observed, falling, 1)
    left, right = figure.axes[0].get_images()[0].get_extent()[:2]
    assert (left, right) == pytest.approx((135.375, 134.975))


def test_no_measurement_set_is_said(tmp_path):
    assert "Measurement Set" in opening.look(tmp_path).value
    with pytest.raises(NotAMeasurementSet):
        visibilities.picture(tmp_path)


@pytest.fixture
def h5parm(layout, tmp_path):
    """Gains of amplitude 2, 4 and 2, the second's phase 90° ahead; the last interval of the third is missing."""
    values = np.ones((5, 2, 3, 2), complex) * np.array([2, 4j, 2])[:, None]
    values[-1, :, 2] = np.nan
    return solutions.write(
        tmp_path / "gains.h5", solutions.Gains(values, 5e9 + np.arange(5.0), np.array([135e6, 136e6])), layout
    )


def test_gains_are_read_as_they_were_written(h5parm):
    found = gains.read(h5parm)
    assert found.stations == STATIONS
    assert np.nanmax(found.amplitude[:, :, 1]) == 4
    assert np.degrees(found.phase[0, 0, 1, 0]) == pytest.approx(90)
    assert np.isnan(found.amplitude[-1, :, 2]).all()


def test_gains_are_drawn_against_each_other(h5parm):
    figure = Figure()
    gains.draw(figure, gains.read(h5parm))
    amplitude, phase = (panel.images[0].get_array() for panel in figure.axes if panel.images and panel.get_xlabel())
    assert amplitude[:, 0].tolist() == [1, 2, 1]
    assert phase[:, 0].tolist() == pytest.approx([0, 90, 0])


def test_a_station_is_chosen(h5parm):
    assert gains.picture(h5parm, "RS106HBA").png.startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="DE601"):
        gains.picture(h5parm, "DE601")
    station, plot = opening.look(h5parm).children
    name, canvas = plot.children
    station.value = "CS002HBA0"
    assert canvas.figure.axes[0].get_title() == "CS002HBA0 at 136.00 MHz"
    canvas.draw()
    assert "plot\\3a \\20 CS002HBA0\\20 at" in name.value
    assert canvas.figure.axes[0].lines[0].get_ydata().tolist() == [4] * 5


def test_no_line_leads_over_a_gap():
    times, values = gains._broken(np.array([0.0, 1, 2, 100, 101]), np.arange(5.0))
    assert np.isnan(times).tolist() == np.isnan(values).tolist() == [False, False, False, True, False, False]


def test_axes_of_other_programs_are_put_in_order(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4, 1)  # polarization, direction, station, time
    with h5py.File(tmp_path / "other.h5", "w") as file:
        table = file.create_group("sol000/phase000")
        table["val"], table["weight"] = values, np.ones(values.shape)
        table["val"].attrs["AXES"] = b"pol,dir,ant,time"
    found = gains.read(tmp_path / "other.h5")
    assert found.phase.shape == (1, 1, 4, 2)
    assert found.phase[0, 0, :, 1].tolist() == values[1, 0, :, 0].tolist()


def test_phases_of_no_polarization_are_those_of_both(tmp_path):
    with h5py.File(tmp_path / "scalar.h5", "w") as file:
        for kind, axes, shape in (("amplitude", "time,ant,pol", (2, 3, 2)), ("phase", "time,ant", (2, 3))):
            table = file.create_group(f"sol000/{kind}000")
            table["val"], table["weight"] = np.full(shape, 0.5), np.ones(shape)
            table["val"].attrs["AXES"], table["ant"] = axes, [b"CS001", b"CS002", b"CS003"]
    found = gains.read(tmp_path / "scalar.h5")
    assert (found.phase.shape, found.stations[2], found.polarizations) == ((2, 1, 3, 2), "CS003", ("XX", "YY"))
    gains.draw(Figure(), found, "CS002")


@pytest.mark.parametrize("shape", [(3, 2), (2,)])
def test_weights_that_do_not_fit_are_told(tmp_path, shape):
    with h5py.File(tmp_path / "wrong.h5", "w") as file:
        table = file.create_group("sol000/phase000")
        table["val"], table["weight"] = np.ones((2, 2)), np.ones(shape)
        table["val"].attrs["AXES"] = "time,ant" if shape == (3, 2) else "time"
    with pytest.raises(UsageError, match="no h5parm with gains"):
        gains.read(tmp_path / "wrong.h5")


def test_what_is_no_h5parm_is_named(tmp_path):
    (tmp_path / "text.h5").write_text("no gains")
    with pytest.raises(UsageError, match=r"text\.h5"):
        gains.read(tmp_path / "text.h5")


FOUND = Rows(
    [
        Observation("lofar:L1", "3C196", 123.4, 48.2, "2018-09-01T10:00:00", 7200, 130, 140),
        Observation("lofar:L2", "3C295", 212.8, 52.2, "2018-10-01T10:00:00", 3600, 120, 130),
        Observation("lofar:L3", "3C295", 212.8, 52.2, "", 0, float("nan"), float("nan")),
    ]
)


def click(view, axes: int, index: int) -> None:
    """Click where an observation is."""
    view.canvas.draw()
    points = sky._places(FOUND, view.projection.value)[axes][index]
    x, y = view._axes[axes].transData.transform(points)
    view._pressed(type("Event", (), {"inaxes": view._axes[axes], "x": x, "y": y}))


@pytest.mark.parametrize("projection", sky.PROJECTIONS)
def test_an_observation_is_chosen_by_a_click_on_the_sky(projection):
    view = sky.SkyView(FOUND)
    view.projection.value = projection
    click(view, 0, 0)
    assert view.did == "lofar:L1"
    assert "3C196, RA 123.400°, Dec +48.200°, 130.00 to 140.00 MHz" in view.shown.value
    assert "lofar:L1" in view.code.value
    assert not view.variable.button.disabled


def test_the_line_names_the_variable_that_was_wanted():
    view = sky.SkyView(FOUND, "target")
    view.near([0])
    assert html.unescape(view.code.value) == "<code>target = 'lofar:L1'</code>"


def test_of_several_at_one_place_one_is_chosen_from_a_list():
    view = sky.SkyView(FOUND)
    click(view, 0, 1)
    assert [did for _, did in view.choice.options] == ["lofar:L2", "lofar:L3"]
    assert view.did == ""
    view.choice.value = "lofar:L3"
    assert view.did == "lofar:L3"


def test_an_observation_is_chosen_by_time_and_frequency():
    view = sky.SkyView(FOUND)
    click(view, 1, 1)
    assert view.did == "lofar:L2"


def test_east_is_left_and_0_hours_in_the_middle():
    points, _ = sky._places([Observation("lofar:x", "", ra, 0, "", 0, 0, 0) for ra in (0, 90, 270)], "all sky")
    assert points[:, 0] == pytest.approx([0, -np.pi / 2, np.pi / 2])


def test_zoomed_is_narrow_across_0_hours_too():
    found = [Observation(f"lofar:L{ra}", "", ra, 10, "", 0, 130, 140) for ra in (359, 2, 358.5)]
    axes, _ = sky.draw(figure := Figure(), found, "zoomed")
    figure.canvas.draw()
    assert axes.get_xlim() == pytest.approx((3, -2.5))
    shown = {text.get_position()[0]: text.get_text() for text in axes.get_xticklabels()}
    assert {0.0: "0", -1.0: "359"}.items() <= shown.items()
    points, _ = sky._places([replace(one, ra_deg=ra) for one, ra in zip(found, (10, 20, 190), strict=True)], "zoomed")
    assert points[:, 0].tolist() == [10, 20, 190]


def test_the_lakes_observations_are_those_that_say_where(lake_home, unique_names):
    lake = client.connect(lake_home)
    placed, other = unique_names
    lake.call("add_datasets", [DID("lofar", name).parts for name in unique_names])
    about = {"ra_deg": 400.0, "dec_deg": 10.0, "target": "X", "start": "2018-09-01T00:00:00", "min_frequency_hz": 1e8}
    metadata.write(lake, {DID("lofar", placed): about, DID("lofar", other): {"target": "Y"}})
    found = {one.did: one for one in observations(lake)}
    assert f"lofar:{other}" not in found
    assert found[f"lofar:{placed}"].ra_deg == 40
    assert found[f"lofar:{placed}"].min_frequency_mhz == 100
    assert sky.picture(lake_home).png.startswith(b"\x89PNG")


@pytest.fixture
def unique_names(request):
    import uuid

    return [f"sky_{uuid.uuid4().hex[:8]}_{n}" for n in range(2)]


def test_no_title_gets_out_of_a_plots_name():
    figure = Figure()
    figure.add_subplot(title='"</style><script>alert(1)</script>\n\\')
    name, _canvas = interactive.named(interactive.canvas_of(figure)).children
    assert name.value.count("<") == 2
    assert name.value.count('"') == 4
