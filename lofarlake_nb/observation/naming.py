"""Names in the LOFAR archive: every form is read, one is written."""

import re
from dataclasses import dataclass

from lofarlake_nb.errors import ObservationError

# L667520_SAP000_SB000_uv.MS_7d4aa18f.tar, and its variants: no SAP in older data, no hash, no tar, a step's name before
# .MS.
_SUBBAND = re.compile(
    r"(?P<observation>L\d{1,9})(?:_SAP(?P<sap>\d{1,3}))?_SB(?P<subband>\d{1,3})(?:_uv)?(?:\.\w+)*?\.MS"
    r"(?:_(?P<hash>[0-9a-f]{8}))?(?:\.tar)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SubbandName:
    """Name of one subband of a LOFAR observation.

    Parameters
    ----------
    observation : str
        ``L`` and the observation's number.
    subband : int
        0 to 999.
    sap : int
        Sub-array pointing, 0 to 999; 0 where a name has none.
    contents_hash : str
        8 hexadecimal digits of the tar's table of contents; empty when not known.

    Raises
    ------
    ObservationError
        When a part has no place in such a name.

    Examples
    --------
    >>> SubbandName("L667520", subband=3, contents_hash="7d4aa18f").tar
    'L667520_SAP000_SB003_uv.MS_7d4aa18f.tar'
    """

    observation: str
    subband: int
    sap: int = 0
    contents_hash: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"L\d{1,9}", self.observation):
            raise ObservationError(f"observation: expected L and a number as in L667520, got {self.observation!r}")
        for name in ("subband", "sap"):
            if not 0 <= getattr(self, name) <= 999:
                raise ObservationError(f"{name}: expected 0 to 999, got {getattr(self, name)}")
        if not re.fullmatch(r"([0-9a-f]{8})?", self.contents_hash):
            raise ObservationError(f"hash: expected 8 hexadecimal digits, got {self.contents_hash!r}")

    @property
    def measurement_set(self) -> str:
        """Name of the Measurement Set's folder: ``L667520_SAP000_SB000_uv.MS``."""
        return f"{self.observation}_SAP{self.sap:03d}_SB{self.subband:03d}_uv.MS"

    @property
    def tar(self) -> str:
        """Name of its tar: ``L667520_SAP000_SB000_uv.MS_7d4aa18f.tar``; without a hash ``..._uv.MS.tar``."""
        return tar_name(self.measurement_set, self.contents_hash)


def parse(name: str) -> SubbandName | None:
    """Read the name of a subband, in any of the archive's forms.

    Parameters
    ----------
    name : str
        Of a file or a folder, without its path.

    Returns
    -------
    SubbandName or None
        None when it is no such name.

    Examples
    --------
    >>> parse("L667520_SB003_uv.dppp.MS_7d4aa18f.tar").measurement_set
    'L667520_SAP000_SB003_uv.MS'
    >>> parse("image.fits") is None
    True
    """
    found = _SUBBAND.fullmatch(name)
    if found is None:
        return None
    return SubbandName(
        observation=found["observation"].upper(),
        subband=int(found["subband"]),
        sap=int(found["sap"] or 0),
        contents_hash=(found["hash"] or "").lower(),
    )


def tar_name(folder: str, contents_hash: str) -> str:
    """Name of the tar of a Measurement Set whose folder's name is not of LOFAR's form.

    Examples
    --------
    >>> tar_name("mine.MS", "7d4aa18f"), tar_name("mine.MS", "")
    ('mine.MS_7d4aa18f.tar', 'mine.MS.tar')
    """
    return f"{folder}_{contents_hash}.tar" if contents_hash else f"{folder}.tar"


def folder_name(tar: str) -> str:
    """Name of the folder that a tar of a Measurement Set is unpacked into.

    Parameters
    ----------
    tar : str
        Name of the tar, in any form, compressed or not.

    Returns
    -------
    str
        LOFAR's own form where the tar's name has it, else the name without its hash and endings.

    Examples
    --------
    >>> folder_name("L667520_SB003_uv.MS_7d4aa18f.tar"), folder_name("mine.MS_7d4aa18f.tar.gz")
    ('L667520_SAP000_SB003_uv.MS', 'mine.MS')
    """
    known = parse(tar)
    if known is not None:
        return known.measurement_set
    stem = re.sub(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2|txz)$", "", tar, flags=re.IGNORECASE)
    return re.sub(r"(?<=\.MS)_[0-9a-f]{8}$", "", stem, flags=re.IGNORECASE)


def is_tar(name: str) -> bool:
    """Whether a file's name is that of a tar, compressed or not.

    Examples
    --------
    >>> is_tar("L667520_SAP000_SB003_uv.MS_a1b2c3d4.tar"), is_tar("image.fits")
    (True, False)
    """
    return re.search(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2|txz)$", name, flags=re.IGNORECASE) is not None
