"""Names that the lake's schema refuses: written in its characters, and read back."""

import hashlib
import os
import re

ORIGINAL = "original_name"  # key in the metadata of a file whose name had to be written otherwise
LONGEST = 230  # characters; storages keep names of 255 bytes, and some add an ending while they write
_START = "0__00"  # before a name that does not start with a letter or a digit; no file name has a byte 0
_ENDING = r"(?:\.[A-Za-z0-9]{1,8}){0,2}$"
_CUT = re.compile(r"__cut-[0-9a-f]{24}" + _ENDING)


def encode(name: str) -> str:
    """Name for the lake of a file's name: letters, digits and ``.-_`` stay, each other byte is ``__`` and two digits.

    Parameters
    ----------
    name : str
        Of a file, as the file system has it.

    Returns
    -------
    str
        Different for different names. At most 230 characters: a longer one is cut and has a hash, see `is_cut`.

    Examples
    --------
    >>> encode("3C 196.fits")
    '3C__20196.fits'
    """
    guarded = re.sub(r"_(?=_[0-9a-f]{2}|_cut-)", "__5f", name)  # what looks like our writing, and is not
    written = re.sub(r"[^A-Za-z0-9.\-_/]", _digits, guarded)
    if not re.match(r"[A-Za-z0-9/]", written):
        written = _START + written
    if len(written) <= LONGEST:
        return written
    kind = re.search(_ENDING, name)
    ending = f"__cut-{hashlib.sha256(os.fsencode(name)).hexdigest()[:24]}{kind[0] if kind else ''}"
    return written[: LONGEST - len(ending)] + ending


def decode(written: str) -> str:
    """The file's name again; of a cut one, the written name as it is.

    Examples
    --------
    >>> decode("3C__20196.fits"), decode(encode("größer_a"))
    ('3C 196.fits', 'größer_a')
    """
    if is_cut(written):
        return written
    raw = os.fsencode(written.removeprefix(_START))
    return os.fsdecode(re.sub(rb"__([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), raw))


def is_cut(written: str) -> bool:
    """Whether a name was too long: the metadata of the file has it whole.

    Examples
    --------
    >>> is_cut(encode("a" * 300 + ".fits")), is_cut(encode("a.fits"))
    (True, False)
    """
    return _CUT.search(written) is not None


def _digits(found: re.Match[str]) -> str:
    return "".join(f"__{byte:02x}" for byte in os.fsencode(found[0]))
