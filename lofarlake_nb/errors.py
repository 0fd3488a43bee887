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
    """The command, a parameter or an option is not usable as given (exit status 2)."""


class LakeError(LofarlakeError):
    """Something about the data lake."""


class LakeNotRunning(LakeError, ConnectionError):
    """No lake answers at the configured address."""


class LakeBusy(LakeError, TimeoutError):
    """Another command is starting, stopping or resetting the same lake, or ingests into the same dataset."""


class NotALake(LakeError, ValueError):
    """A folder that is no embedded lake's home, and won't be made one."""


class LakeRefused(LakeError, PermissionError):
    """The lake's policy, credentials or quota refuse the call."""


class PortTaken(LakeError, OSError):
    """Another program listens on the wanted port."""


class DIDNotFound(LakeError, LookupError):
    """No such data identifier in the lake."""


class NotInTheLake(DIDNotFound, FileNotFoundError):
    """No such path in the lake, of those that open it as files."""


class AlreadyThere(LakeError, FileExistsError):
    """The catalogue has it already: of two that asked for it, the other was first."""


class InvalidDID(UsageError):
    """Not of the form scope:name, or refused by the lake's naming schema."""


class ChecksumMismatch(LakeError, ValueError):
    """Bytes, catalogue and storage do not agree."""


class TransferFailed(LakeError, OSError):
    """Bytes could not be moved to or from the lake."""


class NoSpace(LofarlakeError, OSError):
    """A disk or a quota is too small for what was asked."""


class ObservationError(LofarlakeError):
    """Something about an observation on disk."""


class NotAMeasurementSet(ObservationError, ValueError):
    """The path holds no Measurement Set that can be used."""


class BadArchive(ObservationError, ValueError):
    """A tar that is truncated, or that holds what it must not hold."""


class ProcessingError(LofarlakeError):
    """A step from visibilities to images can't be done."""


class BadSkyModel(ProcessingError, ValueError):
    """A sky model that can't be read; the message names the line."""


class CalibrationFailed(ProcessingError, RuntimeError):
    """The solutions do not describe the data: no image is made from them."""


class NotebookFailed(LofarlakeError, RuntimeError):
    """A cell of a notebook failed; the executed copy is kept."""


class NotAnImage(LofarlakeError, ValueError):
    """A file that is no FITS image of the sky."""
