"""Sites of an embedded lake whose files are somebody's own: a folder that exists, read and never written.

Their RSEs are non-deterministic (Rucio's word for sites that take files under whatever path they have), and closed for
deletion. When the last rule of a file there ends, the catalogue forgets the copy and the file stays.
"""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from lofarlake_nb.errors import UsageError
from lofarlake_nb.lake.embedded import supervisor
from lofarlake_nb.lake.embedded.home import SITES, Home

_BULK = 1000
_NAME = re.compile(r"(?=.{2,30}$)[A-Z0-9]+([_-][A-Z0-9]+)*")  # as Rucio's schema has it

# What the daemon of the name looks for: copies at such sites that no rule holds any more.
FORGETTING = """
select 1 from rucio.replicas r join rucio.rses s on s.id = r.rse_id
where r.tombstone < now() at time zone 'utc' and r.lock_cnt = 0 and not s.deterministic and not s.availability_delete
"""


def add(home: Path, name: str, folder: Path) -> supervisor.Status:
    """Make a folder a site of an embedded lake, and start the lake with it.

    Parameters
    ----------
    home : Path
        Of the lake.
    name : str
        Of the site: capitals, digits, ``_`` and ``-``. One that is there gets its folder from now on: it has moved.
    folder : Path
        Whose files shall be known to the lake. Nothing in it is touched.

    Returns
    -------
    Status
        With every part up.

    Raises
    ------
    UsageError
        When the name or the folder can't be a site's.
    LakeError
        As `supervisor.start`.
    """
    place = Home(home)
    place.refuse_other_folders()
    if not _NAME.fullmatch(name) or name in SITES:
        raise UsageError(
            f"{name!r} can't be the name of a site",
            f"choose 2 to 30 of A-Z and 0-9, with _ or - between, and none of {', '.join(SITES)}",
        )
    there = Path(folder).expanduser().resolve()
    if not there.is_dir():
        raise UsageError(f"{folder} is no folder", "give the folder that your files are in")
    if set(str(there)) & set("%#?$;\"'\\") or not str(there).isprintable():
        raise UsageError(
            f"{str(there)!r} has a character that addresses can't carry",
            "give a folder above it; only the site's own folder is bound to this, not what is in it",
        )
    if there.is_relative_to(place.path) or place.path.is_relative_to(there):
        raise UsageError(
            f"{there} and the lake's home {place.path} lie in each other",
            "give a folder apart from it, so that the lake's own files are never taken for yours",
        )
    with place.locked():
        place.make()
        settings = place.settings()
        if settings.protocol != "https":
            raise UsageError(
                f"the lake in {place.path} was made with protocol {settings.protocol}, for its own folders only",
                "make one with https for this: lofarlake lake start --home DIR",
            )
        others = {n: Path(f) for n, f in settings.in_place.items() if n != name}
        if (same := [n for n, f in others.items() if f == there]) != []:
            raise UsageError(f"{there} is the site {same[0]} already", f"use that: lofarlake ingest --rse {same[0]}")
        place.keep(replace(settings, in_place={**settings.in_place, name: str(there)}))
    return supervisor.start(home)


def forget() -> None:
    """Have the catalogue forget copies that no rule holds; their files stay. What the reaper is to other sites."""
    from rucio.core import replica
    from rucio.db.sqla import models
    from rucio.db.sqla.constants import DatabaseOperationType
    from rucio.db.sqla.session import db_session
    from sqlalchemy import func, select

    copies, sites = models.RSEFileAssociation, models.RSE
    with db_session(DatabaseOperationType.WRITE) as session:
        held = (
            select(copies.scope, copies.name, copies.rse_id)
            .join(sites, sites.id == copies.rse_id)
            .where(copies.tombstone < func.timezone("utc", func.now()), copies.lock_cnt == 0)
            .where(sites.deterministic.is_(False), sites.availability_delete.is_(False))
            .limit(_BULK)
            .with_for_update(of=copies, skip_locked=True)  # a rule that is made at this moment keeps its copy
        )
        found = defaultdict(list)
        for scope, name, rse_id in session.execute(held).all():
            found[rse_id].append({"scope": scope, "name": name})
        for rse_id, files in found.items():
            replica.delete_replicas(rse_id, files, ignore_availability=True, session=session)
