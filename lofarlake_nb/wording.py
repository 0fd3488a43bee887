"""Counts in words that agree with them."""

from collections.abc import Mapping

# Of many; other words get an s.
_MANY: Mapping[str, str] = {"copy": "copies", "has": "have", "is": "are", "needs": "need", "was": "were"}


def counted(count: int, words: str, form: str = "") -> str:
    """A count with a noun, and perhaps its verb, that agree with it.

    Parameters
    ----------
    count : int
        How many there are.
    words : str
        As of one: ``file``, ``file is``.
    form : str
        Of the number, as `format` takes it: ``,`` for groups of thousands.

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "file is"), counted(3, "file is"), counted(0, "copy"), counted(12_000, "file", ",")
    ('1 file is', '3 files are', '0 copies', '12,000 files')
    """
    said = words if count == 1 else " ".join(_MANY.get(word, f"{word}s") for word in words.split())
    return f"{count:{form}} {said}"
