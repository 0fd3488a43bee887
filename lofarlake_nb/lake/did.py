"""Data identifiers: ``scope:name``."""

import re
from dataclasses import dataclass

from lofarlake_nb.errors import InvalidDID

# Rucio's generic naming schema, which the embedded lake has.
_SCOPE = re.compile(r"[a-zA-Z_\-.0-9]{1,25}")
_NAME = re.compile(r"[/A-Za-z0-9][/A-Za-z0-9.\-_]{0,249}")


@dataclass(frozen=True, order=True)
class DID:
    """Name of a file, a dataset or a container in the lake.

    Parameters
    ----------
    scope : str
        Up to 25 letters, digits and ``_-.``.
    name : str
        Up to 250 letters, digits and ``_-./``; the first is a letter, a digit or a slash.

    Raises
    ------
    InvalidDID
        When Rucio's generic schema would refuse it.

    Examples
    --------
    >>> did = DID.parse("lofar:L667520")
    >>> did.scope, did.name, str(did)
    ('lofar', 'L667520', 'lofar:L667520')
    """

    scope: str
    name: str

    def __post_init__(self) -> None:
        if not _SCOPE.fullmatch(self.scope):
            raise InvalidDID(
                f"scope {self.scope!r}: expected 1 to 25 letters, digits and _-.", "write it as in lofar:L667520"
            )
        if not _NAME.fullmatch(self.name):
            raise InvalidDID(
                f"name {self.name!r}: expected 1 to 250 letters, digits and _-./ in ASCII, without spaces, "
                "the first a letter, a digit or /",
                "rename it",
            )

    @classmethod
    def parse(cls, text: "str | DID") -> "DID":
        """Read ``scope:name``.

        Raises
        ------
        InvalidDID
            When it is not of that form, or the lake would refuse the name.
        """
        if isinstance(text, DID):
            return text
        scope, colon, name = text.partition(":")
        if not colon:
            raise InvalidDID(f"{text!r} is no data identifier: expected scope:name", "write it as in lofar:L667520")
        return cls(scope, name)

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"

    @property
    def parts(self) -> dict[str, str]:
        """As Rucio's client takes it."""
        return {"scope": self.scope, "name": self.name}
