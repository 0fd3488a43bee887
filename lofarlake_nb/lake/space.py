"""Whether files fit on a disk, asked before the first byte: on a site's, and on this machine's."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lofarlake_nb.errors import NoSpace
from lofarlake_nb.lake.did import DID
from lofarlake_nb.wording import counted

if TYPE_CHECKING:  # room here is asked for without a lake, and without Rucio
    from lofarlake_nb.lake.plan import Item
    from lofarlake_nb.lake.storage import Storages

_SPARE = 64 << 20  # bytes that stay free


def check_site(storages: "Storages", addresses: Mapping[DID, str], new: Sequence["Item"]) -> None:
    """See that new files fit at a site, as far as its storage says what is free.

    Parameters
    ----------
    storages : Storages
        Of the lake.
    addresses : mapping
        Where each file goes.
    new : sequence of Item
        Files that the catalogue does not have at the site.

    Raises
    ------
    NoSpace
        When they don't.

    Examples
    --------
    >>> from lofarlake_nb.lake import plan, storage
    >>> item, storages = plan.Item(DID("lofar", "large.tar"), Path("large"), 10**18), storage.Storages(lake)
    >>> check_site(storages, storages.addresses("SARA", [item.did]), [item])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.NoSpace: the site's disk has ... MB free, 1 file needs 1000000000000 MB; free ...
    """
    if not new:
        return
    needed, address = sum(item.size for item in new), addresses[new[0].did]
    free = storages.of(address).free(address)
    if free is not None and needed + _SPARE > free:
        # What an earlier run sent, and had no time to register, lies there already.
        needed -= sum(i.size for i in new if storages.of(addresses[i.did]).size(addresses[i.did]) == i.size)
    if free is not None and needed + _SPARE > free:
        raise NoSpace(
            f"the site's disk has {free / 1e6:.0f} MB free, {counted(len(new), 'file needs')} {needed / 1e6:.0f} MB",
            "free some space, or choose another site",
        )


def check_here(to: Path, needed: int) -> None:
    """See that a dataset fits on the disk of a folder, which need not be there yet.

    Parameters
    ----------
    to : Path
        The folder.
    needed : int
        Bytes.

    Raises
    ------
    NoSpace
        When it doesn't.

    Examples
    --------
    >>> check_here(Path("not/made/yet"), 10**18)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lofarlake_nb.errors.NoSpace: not/made/yet: ... MB are free, the dataset needs 1000000000000 MB; free ...
    """
    place = to
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed and needed + _SPARE > free:
        raise NoSpace(
            f"{to}: {free / 1e6:.0f} MB are free, the dataset needs {needed / 1e6:.0f} MB",
            "free some space, or choose a folder on another disk",
        )
