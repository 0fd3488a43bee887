"""A catalogue of many files of which only the rows are there: what each question about them takes.

Rucio makes the first thousand; the others are copies of these rows in its database, as 100,000 by its own calls take a
quarter of an hour with metadata (1 to 3 ms a file to register, 2.5 ms for its metadata, one after the other).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql

from lofarlake_nb.lake import client, journal, metadata, registration, replicas, search
from lofarlake_nb.lake.client import BULK, Lake
from lofarlake_nb.lake.did import DID
from lofarlake_nb.lake.embedded import database
from lofarlake_nb.lake.embedded.home import Home
from lofarlake_nb.lake.journal import Journal
from lofarlake_nb.lake.plan import Item
from lofarlake_nb.lake.query import Query
from lofarlake_nb.lake.storage import Storages

if TYPE_CHECKING:
    from benchmarks.lake import Bench

SITE, SCOPE, DATASETS = "SARA", "lofar", 1000
_DIGITS = 6
_STATIONS = [f"CS{n:03d}HBA{ear}" for n in range(1, 25) for ear in (0, 1)]

QUERIES = {
    "by target and frequency": {"target": "3C190", "min_frequency": "150 MHz", "max_frequency": "151 MHz"},
    "in a cone": {"cone": "190deg 41deg 0.2deg"},
    "by an expression": {"where": "subband >= 480 and (target == '3C191' or not 'CS001HBA0' in stations)"},
    "by what narrows nothing": {"where": "not subband < 480"},
}


def measure(bench: "Bench") -> None:
    """All rows of the table."""
    count, stem = bench.size.rows, f"rows{bench.number()}"
    lake, dataset = client.connect(bench.home), f"{SCOPE}:{stem}"
    make(lake, bench.home, stem, count)
    entries = {DID(SCOPE, f"{stem}.set{n:04d}"): about_of(n) for n in range(DATASETS)}
    lake.call("add_datasets", [did.parts for did in entries])
    metadata.write(lake, entries)
    task = {"dataset": dataset, "rows": count, "journal": str(bench.scratch / "journal")}
    bench.work("noted", **task)
    for do, name in (
        ("journal", "start of a journal"),
        ("reconcile", "reconciling"),
        ("listing", "listing for retrieve"),
        ("verify", "verify"),
    ):
        _rows(bench, f"{name}, {count} files", bench.work(do, **task))
    for kind, many in (("dataset", DATASETS), ("file", count)):
        for name, query in QUERIES.items():
            _rows(bench, f"find {name}, {many} {kind}s", bench.work("find", query=query, kind=kind, **task))


def _rows(bench: "Bench", name: str, done: dict[str, Any]) -> None:
    bench.row(name, done["seconds"], None, "s", None, False)
    bench.row(f"{name}: catalogue calls", done["calls"], None, "calls", None, False)
    bench.row(f"{name}: peak memory", done["peak_mb"], None, "MB", None, False)


def about_of(n: int) -> dict[str, Any]:
    """Metadata as a Measurement Set's."""
    low = 120e6 + 195312.5 * (n % 488)
    return {
        "telescope": "LOFAR", "project_name": "LC0_000", "observation_id": f"L{1000 + n // 488}",
        "target": f"3C19{n % 10}", "antenna_set": "HBA_DUAL", "ra_deg": n % 360 + 0.5, "dec_deg": n % 89 + 0.5,
        "start": f"20{10 + n % 15}-09-01T10:00:00", "duration_s": 7200.0, "exposure_s": 7200.0, "interval_s": 2.0,
        "min_frequency_hz": low, "max_frequency_hz": low + 195312.5, "channel_width_hz": 3051.7578125,
        "n_channels": 64, "n_rows": 4000000, "subband": n % 488, "sap": 0,
        "correlations": ["XX", "XY", "YX", "YY"], "stations": _STATIONS, "n_stations": len(_STATIONS),
    }  # fmt: skip


def make(lake: Lake, home: Path, stem: str, count: int) -> None:
    """A dataset of files with metadata, one row a file, no bytes."""
    names = [name_of(stem, n) for n in range(min(count, BULK))]
    lake.call("add_dataset", SCOPE, stem)
    files = [{"scope": SCOPE, "name": name, "bytes": 1, "adler32": "00010001"} for name in names]
    lake.call("add_replicas", SITE, files)
    lake.call("attach_dids", SCOPE, stem, [{"scope": SCOPE, "name": name} for name in names])
    metadata.write(lake, {DID(SCOPE, name): about_of(n) for n, name in enumerate(names)})
    if count > len(names):
        with database.connect(Home(home).settings()) as connection:
            for table, column in (
                ("dids", "name"),
                ("replicas", "name"),
                ("contents", "child_name"),
                ("did_meta", "name"),
            ):
                _copy(connection, table, column, stem, count)


def _copy(connection: Connection, table: str, column: str, stem: str, count: int) -> None:
    """Copies of the first thousand rows of a table, under the names that follow."""
    told = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'rucio' and table_name = %s", [table]
    )
    columns = [row[0] for row in told.fetchall()]
    number = "(right({column}, {digits})::int + more * {bulk})"
    new = sql.SQL(f"{{stem}} || lpad({number}::text, {{digits}}, '0')").format(
        stem=sql.Literal(f"{stem}_"), column=sql.Identifier(column), digits=sql.Literal(_DIGITS), bulk=sql.Literal(BULK)
    )
    values = [new if name == column else sql.Identifier(name) for name in columns]
    statement = sql.SQL(
        "insert into rucio.{table} ({columns}) select {values} from rucio.{table}, generate_series(1, {times}) as more "
        "where scope = {scope} and {column} like {first} and right({column}, {digits})::int + more * {bulk} < {count}"
    ).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        times=sql.Literal(-(-count // BULK) - 1),
        scope=sql.Literal(SCOPE),
        column=sql.Identifier(column),
        first=sql.Literal(f"{stem}\\_%"),
        digits=sql.Literal(_DIGITS),
        bulk=sql.Literal(BULK),
        count=sql.Literal(count),
    )
    connection.execute(statement)
    connection.execute(sql.SQL("analyze rucio.{}").format(sql.Identifier(table)))


def name_of(stem: str, n: int) -> str:
    """Of a file."""
    return f"{stem}_{n:0{_DIGITS}d}"


# ---- each in a process of its own: see `work`


def _items(task: dict[str, Any]) -> list[Item]:
    stem = task["dataset"].partition(":")[2]
    return [Item(DID(SCOPE, name_of(stem, n)), Path("/nowhere") / str(n), 1) for n in range(task["rows"])]


def do_noted(lake: Lake, task: dict[str, Any]) -> int:
    """A journal with a row for each file."""
    dataset, items = DID.parse(task["dataset"]), _items(task)
    with journal.alone(Path(task["journal"]), dataset):
        book = Journal(Path(task["journal"]), dataset, SITE)
        for item in items:
            book.note(item, "mark", "00010001", "described")
        book.close()
    return len(items)


def do_journal(lake: Lake, task: dict[str, Any]) -> int:
    """Open it; its rows."""
    dataset = DID.parse(task["dataset"])
    with journal.alone(Path(task["journal"]), dataset):
        book = Journal(Path(task["journal"]), dataset, SITE)
        count = len(book.states())
        book.close()
    return count


def do_reconcile(lake: Lake, task: dict[str, Any]) -> int:
    """What an ingest asks before it sends; files that need not be sent."""
    items, dataset = _items(task), DID.parse(task["dataset"])
    do_journal(lake, task)
    addresses = Storages(lake).addresses(SITE, [item.did for item in items])
    known = registration.look_up(lake, items, SITE, dataset)
    attached = registration.prepare(lake, dataset, None, addresses)
    return sum(known[did].replica == "AVAILABLE" for did in attached & known.keys())


def do_listing(lake: Lake, task: dict[str, Any]) -> int:
    """Which files there are, where, and what they were called; copies."""
    files = replicas.files_of(lake, task["dataset"])
    metadata.original_names(lake, [file.did for file in files])
    return sum(len(file.replicas) for file in files)


def do_find(lake: Lake, task: dict[str, Any]) -> int:
    """Search all scopes; what was found."""
    return len(search.find(lake, Query(**task["query"]), kind=task["kind"]))
