"""The tools that stage 2 is measured against: DP3, AOFlagger's command and WSClean; what each command took."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lofarlake_nb.processing import engines

CORES = 2
# Of a process, the kernel tells the peak memory of who started it too: so that is a small one.
LAUNCHER = """
import os, sys, time
start = time.monotonic()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print()
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds, max(self.peak_mb, other.peak_mb)
        )


@dataclass(frozen=True)
class Peers:
    """Where the tools are; one that is empty is not there, and is left out."""

    dp3: str
    aoflagger: str
    wsclean: str

    def flag(self, path: Path) -> Cost:
        """DP3's AOFlagger step, into the FLAG column."""
        return run([self.dp3, *_parset(path, ".", "aoflagger"), f"aoflagger.strategy={engines.flagging_strategy()}"])

    def flag_by_command(self, path: Path) -> Cost:
        """AOFlagger's own command, into the FLAG column."""
        return run([self.aoflagger, "-j", CORES, "-strategy", engines.flagging_strategy(), path])

    def flag_and_average(self, path: Path, out: Path) -> Cost:
        """DP3: flag, then average to channels of 48.83 kHz, without autocorrelations."""
        steps = _parset(path, out, "filter,aoflagger,averager")
        more = [f"aoflagger.strategy={engines.flagging_strategy()}", "averager.freqresolution=48.83kHz"]
        return run([self.dp3, *steps, "filter.baseline=*&", "filter.remove=true", *more])

    def calibrate(self, path: Path, out: Path, model: Path, solutions: Path) -> Cost:
        """DP3's gaincal: a diagonal gain for each slot and channel, applied."""
        solve = {
            "caltype": "diagonal",
            "solint": 1,
            "nchan": 1,
            "uvlambdamin": 200,
            "sourcedb": model,
            "parmdb": solutions,
            "applysolution": "true",
        }
        return run([self.dp3, *_parset(path, out, "gaincal"), *(f"gaincal.{k}={v}" for k, v in solve.items())])

    def predict(self, path: Path, model: Path, interval: float) -> Cost:
        """DP3's predict with the full station beam, into MODEL_DATA."""
        step = {
            "sourcedb": model,
            "usebeammodel": "true",
            "beammode": "full",
            "elementmodel": "hamaker",
            "beam_interval": interval,
        }
        steps = [*_parset(path, ".", "predict"), "msout.datacolumn=MODEL_DATA"]
        return run([self.dp3, *steps, *(f"predict.{k}={v}" for k, v in step.items())])

    def image(
        self, paths: Sequence[Path], name: Path, column: str, npix: int, cell: float, clean: int, natural: bool = False
    ) -> Cost:
        """WSClean: Briggs weights in cells as ours are counted in, its w-gridder, PSF and dirty image or a clean."""
        kind = ["natural"] if natural else ["briggs", -0.5, "-super-weight", 16]
        weights = ["-weight", *kind, "-taper-gaussian", f"{3 * cell}asec"]
        size = ["-size", npix, npix, "-scale", f"{cell}asec", "-use-wgridder", "-j", CORES, "-quiet"]
        cycles = ["-niter", clean, "-mgain", 0.8, "-auto-mask", 4, "-auto-threshold", 1.5] if clean else []
        command = [self.wsclean, *size, *weights, *cycles, "-make-psf", "-pol", "I", "-data-column", column]
        return run([*command, "-no-update-model-required", "-name", name, *paths])


def find(dp3: str) -> Peers:
    """Tools on this machine.

    Parameters
    ----------
    dp3 : str
        DP3's command; empty to look for one.

    Returns
    -------
    Peers
    """
    beside = Path(sys.executable).parent / "DP3.py"
    found = dp3 or shutil.which("DP3") or shutil.which("DP3.py") or (str(beside) if beside.exists() else "")
    return Peers(found, shutil.which("aoflagger") or "", shutil.which("wsclean") or "")


def run(command: Sequence[object]) -> Cost:
    """Run a command; what it took, its start included.

    Parameters
    ----------
    command : sequence
        Words, made text.

    Returns
    -------
    Cost

    Raises
    ------
    SystemExit
        When it fails, with the end of what it said.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, **engines.prepare()}
    launched = [sys.executable, "-I", "-S", "-c", LAUNCHER, *words]
    done = subprocess.run(
        launched, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.returncode}\n{done.stdout[-3000:]}")
    seconds, cpu, peak = (float(word) for word in done.stdout.splitlines()[-1].split())
    return Cost(seconds, cpu, peak / 1024)


def _parset(path: Path, out: Path | str, steps: str) -> list[str]:
    return [f"msin={path}", f"msout={out}", "msout.overwrite=true", f"steps=[{steps}]", f"numthreads={CORES}"]
