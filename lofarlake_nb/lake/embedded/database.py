"""Until the database is there: connections from before Rucio is loaded."""

import time

import psycopg

from lofarlake_nb.lake.embedded.home import Settings


def wait(settings: Settings, *, make: bool, patience: float = 60.0) -> None:
    """Wait until PostgreSQL takes the password and has a database ``rucio``.

    Rucio asks that one for its settings while it is being imported.

    Parameters
    ----------
    settings : Settings
        Port and password.
    make : bool
        Make the database when it is not there; for one process only.
    patience : float
        Seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            if make:
                with connect(settings, "postgres") as connection:
                    if not connection.execute("select 1 from pg_database where datname = 'rucio'").fetchone():
                        connection.execute("create database rucio")
            connect(settings).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def connect(settings: Settings, name: str = "rucio") -> psycopg.Connection:
    """Connect to a database; each statement is a transaction.

    Parameters
    ----------
    settings : Settings
        Port and password.
    name : str
        Of the database.

    Returns
    -------
    Connection
        Open.
    """
    return psycopg.connect(
        host="127.0.0.1",
        port=settings.database_port,
        user="rucio",
        password=settings.database_password,
        dbname=name,
        autocommit=True,
        connect_timeout=5,
    )
