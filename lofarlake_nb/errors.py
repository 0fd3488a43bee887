"""The errors that lofarlake raises: one small tree, each also the standard error that it is."""


class LofarlakeError(Exception):
    """Anything that lofarlake refuses or can't do.

    Parameters
    ----------
    message : str
        One line: what is wrong, which value, what was expected.
    hint : str, optional
        One line: what to do next.

    Examples
    --------
    >>> print(LofarlakeError("streams: 0 is too few", "give 1 or more"))
    streams: 0 is too few; give 1 or more
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.passing = False  # whether the same may go well a little later
        self.retry_after = 0.0  # seconds that a server asks to wait before that

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(LofarlakeError, ValueError):
    """The command, a parameter or an option is not usable as given (exit status 2).

    Examples
    --------
    >>> from lofarlake_nb.inspecting import find_notebook
    >>> try:
    ...     find_notebook("4_none")
    ... except ValueError as error:
    ...     print(error.args[0])
    4_none: no such notebook
    """


class LakeError(LofarlakeError):
    """Something about the data lake.

    Examples
    --------
    >>> from lofarlake_nb.lake import client
    >>> try:
    ...     client.connect("no lake is here")
    ... except LakeError as error:
    ...     print(type(error).__name__)
    LakeNotRunning
    """


class LakeNotRunning(LakeError, ConnectionError):
    """No lake answers at the configured address.

    Examples
    --------
    >>> try:
    ...     raise LakeNotRunning("there is no lake in here", "start it: lofarlake lake start --home here")
    ... except ConnectionError as error:
    ...     print(error)
    there is no lake in here; start it: lofarlake lake start --home here
    """


class LakeBusy(LakeError, TimeoutError):
    """Another command is starting, stopping or resetting the same lake, or ingests into the same dataset.

    Examples
    --------
    >>> try:
    ...     raise LakeBusy("another command has been starting the lake for 60 s", "wait for it, then try again")
    ... except TimeoutError as error:
    ...     print(error)
    another command has been starting the lake for 60 s; wait for it, then try again
    """


class NotALake(LakeError, ValueError):
    """A folder that is no embedded lake's home, and won't be made one.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.lake.embedded import supervisor
    >>> try:
    ...     supervisor.start(Path("observation"))
    ... except NotALake as error:
    ...     print(error.hint)
    choose an empty or a new folder with --home
    """


class LakeRefused(LakeError, PermissionError):
    """The lake's policy, credentials or quota refuse the call.

    Examples
    --------
    >>> try:
    ...     lake.call("add_rse", "MINE")
    ... except PermissionError as error:
    ...     print(type(error).__name__)
    LakeRefused
    """


class OnlyLooking(LakeError, PermissionError):
    """A page for people who only look was asked to act.

    Examples
    --------
    >>> from lofarlake_nb.lake import looking
    >>> try:
    ...     looking.refuse("keep plot.png", {looking.VARIABLE: "1"})
    ... except PermissionError as error:
    ...     print(type(error).__name__)
    OnlyLooking
    """


class PortTaken(LakeError, OSError):
    """Another program listens on the wanted port.

    Examples
    --------
    >>> from lofarlake_nb.lab import programs
    >>> try:
    ...     programs.check_port(70000, "JupyterLab")
    ... except OSError as error:
    ...     print(error.hint)
    give another port, or none for a free one
    """


class DIDNotFound(LakeError, LookupError):
    """No such data identifier in the lake.

    Examples
    --------
    >>> from lofarlake_nb.lake import tree
    >>> try:
    ...     tree.entry(lake, "lofar:nothing.of.this.name")
    ... except LookupError as error:
    ...     print(type(error).__name__)
    DIDNotFound
    """


class NotInTheLake(DIDNotFound, FileNotFoundError):
    """No such path in the lake, of those that open it as files.

    Examples
    --------
    >>> import fsspec
    >>> try:
    ...     fsspec.filesystem("rucio", lake=home).info("rucio://nothing")
    ... except FileNotFoundError as error:
    ...     print(error.hint)
    see which there are: fs.ls('')
    """


class AlreadyThere(LakeError, FileExistsError):
    """The catalogue has it already: of two that asked for it, the other was first.

    Examples
    --------
    >>> try:
    ...     lake.call("add_dataset", "lofar", "example")
    ... except FileExistsError as error:
    ...     print(type(error).__name__)
    AlreadyThere
    """


class InvalidDID(UsageError):
    """Not of the form scope:name, or refused by the lake's naming schema.

    Examples
    --------
    >>> from lofarlake_nb.lake.did import DID
    >>> DID.parse("L667520")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.InvalidDID: 'L667520' is no data identifier: expected scope:name; write it as in lofar:L667520
    """


class ChecksumMismatch(LakeError, ValueError):
    """Bytes, catalogue and storage do not agree.

    Examples
    --------
    >>> try:
    ...     raise ChecksumMismatch("lofar:a.tar has adler32 0a1b2c3d, expected 4e5f6a7b", "repair it")
    ... except ValueError as error:
    ...     print(error)
    lofar:a.tar has adler32 0a1b2c3d, expected 4e5f6a7b; repair it
    """


class TransferFailed(LakeError, OSError):
    """Bytes could not be moved to or from the lake.

    Examples
    --------
    >>> try:
    ...     raise TransferFailed("lofar:a.tar: SARA does not answer", "try again later")
    ... except OSError as error:
    ...     print(error)
    lofar:a.tar: SARA does not answer; try again later
    """


class NoSpace(LofarlakeError, OSError):
    """A disk or a quota is too small for what was asked.

    Examples
    --------
    >>> try:
    ...     raise NoSpace("here: 30 MB are free, 500 MB are needed", "make room")
    ... except OSError as error:
    ...     print(error)
    here: 30 MB are free, 500 MB are needed; make room
    """


class ObservationError(LofarlakeError):
    """Something about an observation on disk.

    Examples
    --------
    >>> from lofarlake_nb.observation.naming import SubbandName
    >>> SubbandName("667520", subband=3)
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.ObservationError: observation: expected L and a number as in L667520, got '667520'
    """


class NotAMeasurementSet(ObservationError, ValueError):
    """The path holds no Measurement Set that can be used.

    Examples
    --------
    >>> from lofarlake_nb.observation import measurement_set
    >>> measurement_set.layout("image.fits")
    Traceback (most recent call last):
        ...
    lofarlake_nb.errors.NotAMeasurementSet: image.fits: expected a Measurement Set, found a file; check the path
    """


class BadArchive(ObservationError, ValueError):
    """A tar that is truncated, or that holds what it must not hold.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.observation.unpacking import unpack
    >>> try:
    ...     unpack([b"this is no tar"], Path("unpacked"))
    ... except BadArchive as error:
    ...     print(error.hint)
    fetch or make it again
    """


class ProcessingError(LofarlakeError):
    """A step from visibilities to images can't be done.

    Examples
    --------
    >>> try:
    ...     raise CalibrationFailed("calibration failed: 40 % of the gains are no numbers", "check the data")
    ... except ProcessingError as error:
    ...     print(error.hint)
    check the data
    """


class BadSkyModel(ProcessingError, ValueError):
    """A sky model that can't be read; the message names the line.

    Examples
    --------
    >>> from lofarlake_nb.processing import sky_model
    >>> try:
    ...     sky_model.load("sources.csv", (0.0, 0.0))
    ... except ValueError as error:
    ...     print(error)
    sources.csv, line 1: a format line (FORMAT = Name, Type, Ra, Dec, I, ...) must come first:
    'name,ra,dec,flux'; correct that line
    """


class CalibrationFailed(ProcessingError, RuntimeError):
    """The solutions do not describe the data: no image is made from them.

    Examples
    --------
    >>> print(CalibrationFailed("calibration failed: 40 % of the gains are no numbers", "check the data"))
    calibration failed: 40 % of the gains are no numbers; check the data
    """


class NotebookFailed(LofarlakeError, RuntimeError):
    """A cell of a notebook failed; the executed copy is kept.

    Examples
    --------
    >>> print(NotebookFailed("KeyError: 'DATA'", "the executed notebook is done.ipynb"))
    KeyError: 'DATA'; the executed notebook is done.ipynb
    """


class NotAnImage(LofarlakeError, ValueError):
    """A file that is no FITS image of the sky.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.widgets import fits_image
    >>> try:
    ...     fits_image.read(Path("gains.h5"))
    ... except ValueError as error:
    ...     print(error.hint)
    give a FITS image with celestial coordinates
    """
