"""Every parameter that the notebook of stage 2 declares goes somewhere, and each step's can be given."""

import nbformat
import pytest

from lofarlake_nb import inspecting
from lofarlake_nb.errors import UsageError
from lofarlake_nb.processing import settings

OF_THE_RUN = {"lake", "dataset", "paths", "output", "sky_model", "catalogue", "truth", "more", "rounds"}
OF_THE_RUN |= {"workers", "scheduler", "rse", "replicate_to"}


def declared():
    return inspecting.parameters_of(inspecting.find_notebook("2_process"))


def test_no_parameter_of_the_notebook_is_passed_over():
    assert set(declared()) <= OF_THE_RUN | set(settings.defaults())


def test_the_notebook_s_defaults_are_those_of_the_steps():
    assert settings.of({name: parameter.default for name, parameter in declared().items()}).changed() == {}


def test_names_say_of_which_step_they_are():
    chosen = settings.of({"minimum_uv": 300.0, "image_minimum_uv": 50.0, "resolution": "20 arcsec"})
    assert (chosen.calibrate.minimum_uv, chosen.image.minimum_uv) == (300.0, 50.0)
    assert chosen.average.resolution == chosen.image.resolution == "20 arcsec"
    assert chosen.changed() == {"minimum_uv": 300.0, "image_minimum_uv": 50.0, "resolution": "20 arcsec"}


def test_further_parameters_are_of_their_defaults_type():
    chosen = settings.of(
        {"more": ["multiscale=true", "iterations = 100", "mask_sigma=5", "solve=full"]},
    )
    assert (chosen.image.multiscale, chosen.image.iterations, chosen.image.mask_sigma) == (True, 100, 5.0)
    assert chosen.calibrate.solve == "full"


@pytest.mark.parametrize("entry", ["multiscal=true", "multiscale", "multiscale=yes", "iterations=1.5", "solve=never"])
def test_further_parameters_that_are_not_usable_are_refused(entry):
    with pytest.raises(UsageError):
        settings.of({"more": [entry]})


@pytest.mark.parametrize(
    ("values", "said"),
    [({"more": "rounds=3"}, "list"), ({"rounds": 2.5}, "whole number"), ({"rounds": "3"}, "whole number")],
)
def test_what_is_no_list_or_no_number_is_said_so(values, said):
    with pytest.raises(UsageError, match=said):
        settings.of(values)


def test_a_model_in_the_data_is_averaged_with_them():
    assert settings.of({"sky_model": "MODEL_DATA"}).average.model_column == "MODEL_DATA"


def test_the_notebook_is_thin_and_clean():
    code = [
        cell
        for cell in nbformat.read(inspecting.find_notebook("2_process"), as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert sum(len(cell.source.splitlines()) for cell in code) <= 60
