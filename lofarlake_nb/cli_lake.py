"""The commands of `lofarlake` that look after a lake: options in, calls, then text or JSON out."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lofarlake_nb.commands import Answer, Parser, add_home, command, connected, count, home, lake_of, view, waiting
from lofarlake_nb.errors import UsageError
from lofarlake_nb.wording import counted

# Options of find: fields of search.Query, which is imported when it is needed.
_QUERY = {
    "target": "name, with wildcards * and ?",
    "project": "name, with wildcards * and ?",
    "min_frequency": 'what has channels above: "130 MHz"',
    "max_frequency": 'what has channels below: "150 MHz"',
    "cone": 'right ascension, declination, radius: "123.4deg 48.2deg 2deg"',
    "since": "ISO date or time, UTC: what was observed after it",
    "until": "ISO date or time, UTC: what was observed before it",
    "where": "an expression of metadata keys: 'n_stations >= 50 and not 100 in subbands'",
}


def add(commands: Any) -> None:
    """Add them to the parser of all commands.

    Examples
    --------
    >>> parser = Parser()
    >>> add(parser.add_subparsers())
    >>> chosen = parser.parse_args(["verify", "lofar:example", "--deep"])
    >>> chosen.deep, chosen.repair, chosen.timeout
    (True, False, 600.0)
    """
    _add_embedded(commands)
    _add_verify(commands)
    _add_find(commands)
    _add_retire(commands)


def _add_embedded(commands: Any) -> None:
    lake = commands.add_parser("lake", help="the embedded lake: start, site, status, stop, reset, env")
    actions = lake.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    start = command(actions, "start", _lake_start, "Start the embedded lake, or mend it.")
    start.add_argument("--port", type=int, help="port of Rucio's server (default: a free one)")
    start.add_argument(
        "--protocol",
        help="how the sites of a new lake are reached: https (default), or root, which needs XRootD's programs",
    )
    site = command(
        actions, "site", _lake_site, "Make a folder a site of the lake: its files can be registered in place."
    )
    site.add_argument("name", metavar="NAME", help="of the site, in capitals: ARCHIVE")
    site.add_argument("--folder", type=Path, required=True, metavar="DIR", help="that has the files; it is only read")
    reset = command(actions, "reset", _lake_reset, "Stop the embedded lake and remove all that is in it.")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    others = [
        command(actions, "status", _lake_status, "Say which parts of the embedded lake are up."),
        command(actions, "stop", _lake_stop, "Stop the embedded lake; what is in it stays."),
        command(actions, "env", _lake_env, "Print the exports with which Rucio's own `rucio` works on this lake."),
    ]
    for action in (start, site, reset, *others):
        add_home(action)


def _lake_answer(status: Any) -> Answer:
    value = {"up": status.up, "parts": [dataclasses.asdict(part) for part in status.parts]}
    lines = [
        f"{part.name:<10} {'up' if part.up else 'DOWN':<5} {part.address or '-':<32} {part.detail}".rstrip()
        for part in status.parts
    ]
    return value, "\n".join(lines), 0


def _lake_start(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    return _lake_answer(supervisor.start(home(chosen), port=chosen.port, protocol=chosen.protocol))


def _lake_site(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import in_place

    status = in_place.add(home(chosen), chosen.name, chosen.folder)
    value, _, code = _lake_answer(status)
    use = f"lofarlake ingest --in-place PATH... --rse {chosen.name} --dataset DID"
    return value, f"{chosen.folder} is the site {chosen.name}; register files that lie there: {use}", code


def _lake_status(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    status = supervisor.status(home(chosen))
    value, text, _ = _lake_answer(status)
    return value, text, 0 if status.up else 1


def _lake_stop(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    value, _, _ = _lake_answer(supervisor.stop(home(chosen)))
    return value, f"the lake in {home(chosen)} is stopped", 0


def _lake_reset(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake.embedded import supervisor

    place = home(chosen)
    if not chosen.yes:
        _agree(f"Remove the lake in {place} and all that is in it?")
    supervisor.reset(place)
    return {"home": str(place), "reset": True}, f"the lake in {place} is gone", 0


def _lake_env(chosen: argparse.Namespace) -> Answer:
    import shlex

    from lofarlake_nb.lake.embedded import supervisor

    exports = supervisor.environment(home(chosen))
    return exports, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items()), 0


# ---- looking after what is in a lake


def _add_verify(commands: Any) -> None:
    verify = connected(commands, "verify", _verify, "Compare what the catalogue says with what each site has.")
    verify.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    verify.add_argument("--deep", action="store_true", help="compare checksums too, not only sizes")
    verify.add_argument("--repair", action="store_true", help="have bad copies made anew from good ones, and wait")
    verify.add_argument("--streams", type=count, default=4, help="files looked at at the same time (default 4)")
    verify.add_argument("--timeout", type=waiting, default=600.0, help="seconds to wait for a repair (default 600)")


def _verify(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import repair, verify

    lake, show = lake_of(chosen), view()
    found = verify.verify(lake, chosen.did, deep=chosen.deep, streams=chosen.streams, progress=show)
    value: dict[str, Any] = {**found.summary(), "rows": [dataclasses.asdict(row) for row in found.problems]}
    lines = [f"{row.did} {row.rse or '-'}: {row.problem}" for row in found.problems]
    lines.append(f"{found.dataset}: {len(found.rows) - len(lines)} of {counted(len(found.rows), 'copy is')} right")
    ok = found.ok
    if chosen.repair and not ok:
        mended = repair.repair(lake, found, deep=chosen.deep, timeout=chosen.timeout, progress=show)
        value |= {"repair": mended.summary(), "ok": mended.ok}
        lines += [f"{one.did} {one.rse}: {one.outcome}" for one in mended.outcomes]
        ok = mended.ok
    return value, "\n".join(lines), 0 if ok else 1


def _add_find(commands: Any) -> None:
    find = connected(commands, "find", _find, "Find datasets or files by what their Measurement Sets say.")
    for name, said in _QUERY.items():
        find.add_argument(f"--{name.replace('_', '-')}", default="", help=said)
    find.add_argument("--kind", default="dataset", help="dataset, container or file (default dataset)")
    find.add_argument("--scope", default="", help="where to look (default: all scopes)")


def _find(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import search

    query = search.Query(**{name: getattr(chosen, name) for name in _QUERY})
    found = search.find(lake_of(chosen), query, kind=chosen.kind, scope=chosen.scope)
    value = {"found": [dataclasses.asdict(one) for one in found]}
    return value, _table(found) if found else found.note, 0


def _add_retire(commands: Any) -> None:
    retire = connected(commands, "retire", _retire, "End the rules of a dataset: its copies go, its record stays.")
    retire.add_argument("did", metavar="DID", help="scope:name of a dataset")
    retire.add_argument("--yes", action="store_true", help="do not ask")
    retire.add_argument(
        "--delete-in-place", action="store_true", help="even where the lake then deletes files registered in place"
    )
    retire.add_argument("--timeout", type=waiting, default=600.0, help="seconds to wait (default 600)")
    audit = connected(commands, "audit", _audit, "Report dark data (on storage, in no catalogue) and lost files.")
    audit.add_argument("--older-than", default="1 h", help='how long dark data must have lain there (default "1 h")')
    audit.add_argument("--remove-dark", action="store_true", help="remove what is dark")


def _retire(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import housekeeping

    if not chosen.yes:
        _agree(f"End the rules of {chosen.did}, so that its copies go?")
    done = housekeeping.retire(
        lake_of(chosen), chosen.did, timeout=chosen.timeout, delete_in_place=chosen.delete_in_place
    )
    lines = [f"still held by rule {holder}" for holder in done.holders]
    if done.in_place:
        copies = counted(done.in_place, "copy was")
        lines.append(f"{copies} registered in place: what is there stays, and the lake still lists it")
    ended, left = counted(len(done.rules), "rule"), counted(done.replicas, "copy is")
    lines.append(f"{done.dataset}: {ended} ended, {left} left of {counted(done.files, 'file')}")
    return done.summary(), "\n".join(lines), 0 if done.ok else 1


def _audit(chosen: argparse.Namespace) -> Answer:
    from astropy import units as u

    from lofarlake_nb.lake import housekeeping
    from lofarlake_nb.parameters import quantity

    older = quantity("older-than", chosen.older_than, u.s).value
    done = housekeeping.audit(lake_of(chosen), older_than=older, remove_dark=chosen.remove_dark)
    why = {(site, path): f"not removed, {reason}" for site, path, reason in done.refused}
    word = "removed" if chosen.remove_dark else "dark"
    lines = [f"{why.get((site, path), word)}: {site} {path}, {size} bytes" for site, path, size in done.dark]
    lines += [f"lost: {site} {did}" for site, did in done.lost]
    lines += [f"not mounted here: {site}" for site in done.unseen]
    copies = f"{counted(done.files, 'copy')} in the catalogue, {len(done.lost)} lost"
    lines.append(f"{copies}; {counted(len(done.dark), 'file is')} dark")
    return done.summary(), "\n".join(lines), 0 if done.ok else 1


def _agree(question: str) -> None:
    """Ask a person; whoever is no person at a terminal must have said --yes."""
    if sys.stdin is not None and sys.stdin.isatty():
        print(
            f"{question} [y/N] ", end="", file=sys.stderr, flush=True
        )  # standard output is the answer's, as of --json
        if sys.stdin.readline().strip().lower() == "y":
            return
    raise UsageError("nothing was done", "answer y, or give --yes")


def _table(rows: Sequence[Any]) -> str:
    """Dataclasses of one kind in columns."""
    names = [field.name for field in dataclasses.fields(rows[0])]
    cells = [names, *([_cell(getattr(row, name)) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
