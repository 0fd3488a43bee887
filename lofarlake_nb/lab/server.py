"""Start JupyterLab for a lake; all of its configuration lives in the lake's folder, see `extension.state`."""

import hashlib
import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ipykernel.kernelspec import write_kernel_spec

from lofarlake_nb.errors import UsageError
from lofarlake_nb.inspecting import notebooks_folder
from lofarlake_nb.lab import programs, shortcuts
from lofarlake_nb.lab.notebooks import working_copies
from lofarlake_nb.lake import extension
from lofarlake_nb.lake.configured import DEFAULT_HOME, settings_in
from lofarlake_nb.lake.embedded.configuration import USER

_log = logging.getLogger(__name__)

LANDING = "0_start_here.ipynb"

_FOLDER = "lofarlake-notebooks"

# The extension's style sheet asks a font server on the internet for its icons, which we serve ourselves. No other style
# sheet of a page comes from elsewhere; everything else (scripts, pictures) is left as Jupyter has it.
CONTENT_SECURITY_POLICY = "frame-ancestors 'self'; style-src 'self' 'unsafe-inline'"

_DASK = "dask-labextension:plugin"

# First values of JupyterLab's settings; a person's own go before them.
_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # As JupyterLab has it, a channel that the panel closes goes to a thread of the kernel that may have ended before:
    # the panel never hears of it, and says "Attaching" for ever of what is a variable already.
    "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
}


@dataclass(frozen=True)
class Configured:
    """A JupyterLab that is ready to start.

    Parameters
    ----------
    root : Path
        Folder that JupyterLab shows.
    notebook : Path
        The notebook that it opens.
    environment : dict of str
        Variables that the server needs.
    unset : tuple of str
        Variables that it must not have.

    Examples
    --------
    >>> Configured(Path("here"), Path("here/0_start_here.ipynb"), {}).unset
    ('RUCIO_CONFIG', 'RUCIO_HOME')
    """

    root: Path
    notebook: Path
    environment: dict[str, str]
    unset: tuple[str, ...] = ("RUCIO_CONFIG", "RUCIO_HOME")


def configure(lake: Path, *, notebook: str = LANDING, root_dir: Path | None = None) -> Configured:
    """Write all that JupyterLab needs for a lake: its configuration, the panel's login, the notebooks.

    Parameters
    ----------
    lake : Path
        Folder of an embedded lake that was started, or a ``rucio.cfg``. Configuration, login and settings go to the
        folder `extension.state`.
    notebook : str
        Name of the shipped notebook that opens first.
    root_dir : Path, optional
        Folder that JupyterLab shows, by default the current one. Working copies of the notebooks are made in a folder
        in it, see `working_copies`.

    Returns
    -------
    Configured
        What `start`, or another way to start a Jupyter server, goes by.

    Raises
    ------
    LakeNotRunning
        When no lake was ever started in `lake`.
    LakeRefused
        When the extension can't log in as the ``rucio.cfg`` says.
    UsageError
        When there is no such notebook, or a folder can't be written.

    Examples
    --------
    >>> from lofarlake_nb.errors import LakeNotRunning
    >>> try:
    ...     configure(Path("no lake is here"))
    ... except LakeNotRunning as error:
    ...     print(error.hint[:32])
    start it: lofarlake lake start -
    """
    lake = extension.located(lake)
    root = (root_dir or Path()).expanduser().absolute()
    told = "" if lake == extension.located(DEFAULT_HOME) else str(lake)  # what the notebooks' parameter says
    if not (notebooks_folder() / notebook).is_file():
        known = ", ".join(sorted(path.name for path in notebooks_folder().glob("*.ipynb")))
        raise UsageError(f"{notebook}: no such notebook comes with lofarlake", f"it is one of {known}")
    jupyter = extension.state(lake)
    panel = extension.server_configuration(lake, jupyter / "rucio")
    folder = root / (_FOLDER if not told else f"{_FOLDER}-{hashlib.sha256(told.encode()).hexdigest()[:6]}")
    working_copies(notebooks_folder(), folder, told)
    try:
        jupyter.mkdir(mode=0o700, parents=True, exist_ok=True)
        jupyter.chmod(0o700)  # logins go there, and it may have been there
    except OSError as error:
        raise UsageError(
            f"{jupyter}: what JupyterLab keeps for {lake} can't be written there ({error.strerror})", "make it yours"
        ) from error
    settings = jupyter / "config" / "labconfig" / "default_setting_overrides.json"
    dashboard = _dashboard(settings)
    environment = _environment(lake, dashboard)
    for name, path in environment.items():
        if name.endswith("_DIR"):
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
    extension.log_in(lake, jupyter / "rucio")
    _write_configuration(lake, panel, root, folder / notebook)
    dask = {"defaultURL": f"proxy/{dashboard}", "hideClusterManager": True}
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({**_SETTINGS, _DASK: dask}, indent=2) + "\n")
    shortcuts.write(Path(environment["JUPYTERLAB_SETTINGS_DIR"]))
    _write_kernel(jupyter / "data" / "kernels" / "python3")
    return Configured(root, folder / notebook, environment)


def exports(configured: Configured) -> str:
    """Shell lines after which any ``jupyter`` command is configured so.

    Examples
    --------
    >>> print(exports(Configured(Path("here"), Path("start.ipynb"), {"DASK_CONFIG": "my lake"}, ("RUCIO_HOME",))))
    unset RUCIO_HOME
    export DASK_CONFIG='my lake'
    """
    lines = [f"unset {name}" for name in configured.unset]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in configured.environment.items()]
    return "\n".join(lines)


def start(
    lake: Path,
    *,
    notebook: str = LANDING,
    root_dir: Path | None = None,
    port: int | None = None,
    open_browser: bool = True,
    arguments: Sequence[str] = (),
) -> int:
    """Run JupyterLab on a lake until it is stopped.

    Parameters
    ----------
    lake, notebook, root_dir
        See `configure`.
    port : int, optional
        Port of JupyterLab, by default a free one from 8888.
    open_browser : bool
        Whether to open a browser on it.
    arguments : sequence of str
        More arguments for ``jupyter lab``.

    Returns
    -------
    int
        Exit status of JupyterLab.

    Raises
    ------
    LakeNotRunning, LakeRefused, UsageError
        See `configure`.
    PortTaken
        When another program listens on `port`.

    Examples
    --------
    >>> try:
    ...     start(Path(home), notebook="4_none.ipynb")
    ... except UsageError as error:
    ...     print(error.message)
    4_none.ipynb: no such notebook comes with lofarlake
    """
    configured = configure(lake, notebook=notebook, root_dir=root_dir)
    words = ["--ServerApp.ip=127.0.0.1"]
    if port is not None:
        programs.check_port(port, "JupyterLab")
        words += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not open_browser:
        words.append("--no-browser")
    if programs.is_root():
        words.append("--allow-root")
    _log.info("JupyterLab opens %s", configured.notebook)
    # Where Python is, the commands are: lofarlake in a terminal of the page, also where no environment is activated.
    # No login shell, which Jupyter takes where it is not in a terminal itself: it sets PATH anew.
    words.append(f"--ServerApp.terminado_settings=shell_command={[os.environ.get('SHELL') or '/bin/sh']}")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**configured.environment, "PATH": path}
    return programs.run("jupyterlab", [*words, *arguments], configured.root, environment, configured.unset)


def _environment(lake: Path, dashboard: int) -> dict[str, str]:
    jupyter = extension.state(lake)
    environment = {
        "JUPYTER_CONFIG_DIR": str(jupyter / "config"),
        "JUPYTER_DATA_DIR": str(jupyter / "data"),
        # The kernel and the settings of this lake go before those of the environment that Python lives in.
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(jupyter / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(jupyter / "config" / "lab" / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(jupyter / "config" / "lab" / "workspaces"),
        "DASK_CONFIG": str(jupyter / "config" / "dask"),
        "DASK_LOFARLAKE__DASHBOARD": str(dashboard),
        # A link that works wherever the page is seen from: by way of this server, also behind a JupyterHub or Binder.
        "DASK_DISTRIBUTED__DASHBOARD__LINK": os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/") + "proxy/{port}/status",
    }
    # What Rucio's own client shows the storage when a file is uploaded in the panel; without, what it finds by itself.
    shown = lake / "tls" / "client.pem" if lake.is_dir() else settings_in(lake).get("client_x509_proxy")
    return {**environment, "X509_USER_PROXY": str(shown)} if shown else environment


def _dashboard(settings: Path) -> int:
    """Port for Dask's dashboard: a free one the first time, then always the same."""
    try:
        return int(json.loads(settings.read_text())[_DASK]["defaultURL"].removeprefix("proxy/"))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return programs.free_port()


def _write_configuration(lake: Path, panel: str, root: Path, notebook: Path) -> None:
    config = extension.state(lake) / "config"
    landing = "/lab/tree/" + quote(str(notebook.relative_to(root)))
    text = "# Written at each start of `lofarlake lab`: changes made here are lost.\n"
    text += panel
    text += f"c.ServerApp.root_dir = {str(root)!r}\n"
    text += f"c.LabApp.default_url = {landing!r}\n"
    text += "c.LabApp.custom_css = True\n"
    text += 'c.LabApp.extension_manager = "readonly"\n'  # the other one asks a package index on the internet
    text += (
        f'c.ServerApp.tornado_settings = {{"headers": {{"Content-Security-Policy": {CONTENT_SECURITY_POLICY!r}}}}}\n'
    )
    (config / "jupyter_server_config.py").write_text(text)
    sources = config / "jupyter-fsspec.yaml"
    if not sources.exists():
        # That extension takes its source's name out of paths wherever it finds it: no path has a space.
        source = {"name": "the lake", "path": f"rucio://{USER}", "kwargs": {"lake": str(lake)}}
        sources.write_text(f"# Yours to add to.\n{json.dumps({'sources': [source]}, indent=2)}\n")
    custom = config / "custom"
    custom.mkdir(exist_ok=True)
    for asset in (Path(__file__).parent / "assets").iterdir():
        shutil.copyfile(asset, custom / asset.name)


def _write_kernel(folder: Path) -> None:
    """A Python kernel that takes what is chosen in the Rucio panel as variables."""
    if folder.exists():
        shutil.rmtree(folder)
    arguments = ["--InteractiveShellApp.extra_extensions=lofarlake_nb.lake.kernel"]
    # Frozen modules make the debugger, which JupyterLab has, warn at each start.
    write_kernel_spec(folder, extra_arguments=arguments, python_arguments=["-Xfrozen_modules=off"])
