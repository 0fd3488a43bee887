"""Tokens that expire while two threads of one connection are at work: each call is answered, and stays patient."""

import threading
import time
from datetime import UTC, datetime

import pytest

from lofarlake_nb.lake import client
from lofarlake_nb.lake.embedded import database
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.patience import Patience, PatientSession

# An hour is a second: what Rucio's server gives from now on ends so soon.
SHORT = """
CREATE FUNCTION rucio.short() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.expired_at := now() AT TIME ZONE 'utc' + interval '1 s'; RETURN NEW; END $$;
CREATE TRIGGER short BEFORE INSERT ON rucio.tokens FOR EACH ROW EXECUTE FUNCTION rucio.short();
"""


@pytest.fixture
def short_lived(lake_home):
    """A connection to the database of a lake whose new tokens live for a second."""
    with database.connect(Home(lake_home).settings()) as connection:
        connection.execute(SHORT)
        try:
            yield connection
        finally:
            connection.execute("DROP TRIGGER short ON rucio.tokens; DROP FUNCTION rucio.short()")
            (lake_home / "client" / "token_lofar").unlink(missing_ok=True)


def test_two_threads_renew_twelve_times(lake_home, short_lived, unique):
    (lake_home / "client" / "token_lofar").unlink(missing_ok=True)
    lake = client.connect(lake_home)
    lake.call("add_dataset", "lofar", unique)
    asked = [{"scope": "lofar", "name": unique}] * 500
    together, tokens, failures = threading.Barrier(2), set(), []
    one_at_a_time, end = threading.Lock(), time.monotonic() + 120

    def expired():
        with one_at_a_time:
            asked = "SELECT expired_at FROM rucio.tokens WHERE token = %s"
            row = short_lived.execute(asked, [lake.rucio.auth_token]).fetchone()
        return row is None or row[0] < datetime.now(UTC).replace(tzinfo=None)

    def work():
        try:
            for _ in range(12):
                while not expired():
                    assert time.monotonic() < end
                    time.sleep(0.02)
                together.wait(30)
                assert {row["name"] for row in lake.call("get_metadata_bulk", asked)} == {unique}
                tokens.add(lake.rucio.auth_token)
                assert isinstance(lake.rucio.session, PatientSession)
                assert not lake.rucio.session.trust_env
        except BaseException as error:
            failures.append(error)
            together.abort()

    with lake.patient(Patience(20)):
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(tokens) >= 12
