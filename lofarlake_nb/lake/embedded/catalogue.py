"""What an embedded lake's Rucio knows from the start: accounts, the scope, sites and how to reach them.

Everything here is run by the server's process at each start, and changes only what is not yet so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from rucio.common import exception
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import account, account_limit, distance, identity, rse, scope
from rucio.db.sqla import util
from rucio.db.sqla.constants import AccountType, DatabaseOperationType, IdentityType
from rucio.db.sqla.session import db_session, get_engine
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session

from lofarlake_nb.errors import LakeError
from lofarlake_nb.lake.embedded import database
from lofarlake_nb.lake.embedded.configuration import USER
from lofarlake_nb.lake.embedded.home import QUOTA, SITES, Home, Settings

_ALL = {"read": 1, "write": 1, "delete": 1}
_THIRD_PARTY = {"third_party_copy_read": 1, "third_party_copy_write": 1}


def settle(home: Home, settings: Settings) -> None:
    """Bring the catalogue to where a new lake starts, whatever is there already.

    Parameters
    ----------
    home : Home
        Of the lake; its storage folders are the sites.
    settings : Settings
        Ports and passwords.

    Raises
    ------
    LakeError
        When the database was made by another version of Rucio.
    """
    _tables(settings)
    with db_session(DatabaseOperationType.WRITE) as session:
        _astronomer(settings, session)
        ids = {site: _site(home, settings, site, session) for site in SITES}
        ids |= {site: _in_place(settings, site, folder, session) for site, folder in settings.in_place.items()}
        for source in ids:
            for destination in SITES:
                pair = (ids[source], ids[destination])
                if source != destination and not distance.get_distances(*pair, session=session):
                    distance.add_distance(*pair, distance=1, session=session)
        for rse_id in ids.values():
            account_limit.set_local_account_limit(InternalAccount("root"), rse_id, -1, session=session)  # no limit
            if account_limit.get_local_account_limit(InternalAccount(USER), session=session, rse_ids=rse_id) is None:
                account_limit.set_local_account_limit(InternalAccount(USER), rse_id, QUOTA, session=session)


def survive_restarts() -> None:
    """Have each connection tried before it is used, so that nobody sees an error after the database restarted.

    The method is SQLAlchemy's documented pessimistic disconnect handling; Rucio sets no ``pool_pre_ping``.
    """

    def try_it(connection: Any, record: Any, proxy: Any) -> None:
        try:
            connection.execute("select 1")
            connection.rollback()
        except psycopg.OperationalError as error:
            raise DisconnectionError from error  # the pool takes a new one

    event.listen(get_engine(), "checkout", try_it)


def _tables(settings: Settings) -> None:
    """Schema and tables of this version of Rucio, its organisation, its account ``root``."""
    with database.connect(settings) as connection:
        built = connection.execute("select to_regclass('rucio.alembic_version')").fetchone() != (None,)
        # The version is written when all tables are there.
        built = built and connection.execute("select 1 from rucio.alembic_version").fetchone() is not None
        if not built:
            util.build_database()
        elif util.is_old_db():
            raise LakeError("the lake's database is of another version of Rucio", "use that one, or reset the lake")
        if not connection.execute("select 1 from rucio.vos").fetchone():
            util.create_base_vo()
        if not connection.execute("select 1 from rucio.accounts where account = 'root'").fetchone():
            util.create_root_account()


def _astronomer(settings: Settings, session: Session) -> None:
    """The account that people use, who may log in as it, its scope: no administrator, see `policy.permission`."""
    user, email = InternalAccount(USER), f"{USER}@localhost"
    if not account.account_exists(user, session=session):
        account.add_account(user, AccountType.USER, email, session=session)
    if account.has_account_attribute(user, "admin", session=session):  # a lake that was made by an earlier version
        account.del_account_attribute(user, "admin", session=session)
    if not identity.exist_identity_account(USER, IdentityType.USERPASS, user, session=session):
        identity.add_account_identity(
            USER, IdentityType.USERPASS, user, email, default=True, password=settings.user_password, session=session
        )
    if not scope.check_scope(InternalScope(USER), session=session):
        scope.add_scope(InternalScope(USER), user, session=session)


def _site(home: Home, settings: Settings, name: str, session: Session) -> str:
    """One RSE with its attributes and its protocols; its id."""
    try:
        rse_id = rse.get_rse_id(name, session=session)
    except exception.RSENotFound:
        rse_id = rse.add_rse(name, deterministic=True, volatile=False, session=session)
    present = rse.list_rse_attributes(rse_id, session=session)
    # Greedy: when the last rule of a file ends, its bytes go; there is no archive behind this disk that wants filling.
    for key, value in {"site": name, "QOS": SITES[name], "greedyDeletion": True}.items():
        if key not in present:
            rse.add_rse_attribute(rse_id, key, value, session=session)
    _reached_by(rse_id, _protocols(settings, name, home.storage / name), session)
    return rse_id


def _in_place(settings: Settings, name: str, folder: str, session: Session) -> str:
    """A site whose files are somebody's own, see `in_place`: nothing is deleted there, and no rule is led there."""
    try:
        rse_id = rse.get_rse_id(name, session=session)
    except exception.RSENotFound:
        rse_id = rse.add_rse(name, deterministic=False, volatile=False, session=session)
        rse.update_rse(rse_id, {"availability_delete": False}, session=session)
        rse.add_rse_attribute(rse_id, "site", name, session=session)  # and no QOS: rules by QOS don't mean it
    if rse.get_rse(rse_id, session=session)["deterministic"]:  # an administrator made one of that name: it is not ours
        return rse_id
    third_party = {"third_party_copy_read": 1, "third_party_copy_write": 0}
    protocols = _protocols(settings, name, Path(folder))
    for protocol in protocols:
        for domain in protocol["domains"].values():
            # Rucio takes addresses of a protocol that could write only; the storage itself refuses to.
            domain |= {"delete": 0} | (third_party if "third_party_copy_read" in domain else {})
    _reached_by(rse_id, protocols, session)
    return rse_id


def _reached_by(rse_id: str, protocols: Sequence[dict[str, Any]], session: Session) -> None:
    present = rse.get_rse_protocols(rse_id, session=session)["protocols"]
    for wanted in protocols:
        same = [p for p in present if p["scheme"] == wanted["scheme"]]
        if any(all(p[key] == wanted[key] for key in ("hostname", "port", "prefix", "impl")) for p in same):
            continue
        for old in same:  # the home moved, or its storage has another port
            rse.del_protocols(rse_id, old["scheme"], old["hostname"], old["port"], session=session)
        rse.add_protocol(rse_id, wanted, session=session)


def _protocols(settings: Settings, name: str, folder: Path) -> list[dict[str, Any]]:
    """A mounted file system for those at the site, https for others and for copies between sites; the same paths.

    Of XRootD there is no mounted one beside it: who chooses it wants to see it used.
    """
    if settings.protocol == "root":
        return [
            {
                "scheme": "root",
                "hostname": "127.0.0.1",
                "port": settings.storage_port,
                "prefix": settings.prefix(name),
                "impl": "rucio.rse.protocols.xrootd.Default",
                "domains": {"lan": _ALL, "wan": {**_ALL, **_THIRD_PARTY}},
            }
        ]
    return [
        {
            "scheme": "file",
            "hostname": "localhost",
            "port": 0,
            "prefix": f"{folder}/",
            "impl": "rucio.rse.protocols.posix.Default",
            "domains": {"lan": dict(_ALL)},
        },
        {
            "scheme": "https",
            "hostname": "127.0.0.1",
            "port": settings.storage_port,
            "prefix": settings.prefix(name),
            "impl": "rucio.rse.protocols.webdav.Default",
            "domains": {"lan": dict.fromkeys(_ALL, 2), "wan": {**_ALL, **_THIRD_PARTY}},
        },
    ]
