"""Leap seconds that are older than half a year are no alarm in the notebook of an observation of years ago."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import casacore
import pytest
from casacore.tables import table

from lofarlake_nb.observation import measures

ASK = """
import sys, casacore
casacore.__file__ = sys.argv[1] + "/__init__.py"  # where measures data are looked for
from lofarlake_nb.observation import measures
from lofarlake_nb.processing import kernels
if sys.argv[2] == "shown":
    measures.ALARM = ()
kernels._beam()
print("read", file=sys.stderr)
"""


@pytest.fixture
def old_leap_seconds(tmp_path):
    """The measures data that travel with python-casacore, of which the leap seconds say that they are of 2020."""
    root = Path(casacore.__file__).parent
    shutil.copy(root / ".aipsrc", tmp_path)
    geodetic = tmp_path / "data" / "geodetic"
    geodetic.mkdir(parents=True)
    for place in (root / "data").iterdir():
        if place.name != "geodetic":
            (tmp_path / "data" / place.name).symlink_to(place)
    for place in (root / "data" / "geodetic").iterdir():
        if place.name != "TAI_UTC":
            (geodetic / place.name).symlink_to(place)
    shutil.copytree(root / "data" / "geodetic" / "TAI_UTC", geodetic / "TAI_UTC")
    with table(str(geodetic / "TAI_UTC"), readonly=False, ack=False) as t:
        t.putkeyword("VS_DATE", "2020/01/01/00:00")
    return tmp_path


def said(data, how):
    done = subprocess.run([sys.executable, "-c", ASK, str(data), how], capture_output=True, text=True, check=True)
    return done.stderr


def test_old_leap_seconds_are_no_alarm(old_leap_seconds):
    shown = said(old_leap_seconds, "shown")
    assert shown.count("Leap second table TAI_UTC seems out-of-date") == 2  # casacore's, and EveryBeam's own
    assert said(old_leap_seconds, "not shown") == "read\n"


def failing():
    with measures.without_alarm():
        os.write(2, b"first\nSEVERE Until the table is updated (see ...\n")
        raise ZeroDivisionError


def test_what_others_say_is_shown_after(capfd):
    with pytest.raises(ZeroDivisionError):
        failing()
    os.write(2, b"third\n")
    assert capfd.readouterr().err == "first\nthird\n"
