"""The commands of `lofarlake` that need nothing but a lake: options in, calls, then text or JSON out."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lofarlake_nb.commands import DEFAULT_HOME, Answer, Parser, add_home, command, home
from lofarlake_nb.errors import UsageError

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
    """Add them to the parser of all commands."""
    _add_embedded(commands)
    _add_ingest(commands)
    _add_verify(commands)
    _add_rules(commands)
    _add_retrieve(commands)
    _add_find(commands)
    _add_retire(commands)


def _connected(commands: Any, name: str, handler: Callable[..., Answer], summary: str) -> argparse.ArgumentParser:
    """Parser of a command that talks to a lake."""
    made = command(commands, name, handler, summary)
    made.add_argument(
        "--lake", default="", help=f"home of an embedded lake, or a rucio.cfg (default: the lake in {DEFAULT_HOME})"
    )
    made.add_argument("--administrator", action="store_true", help="act as the embedded lake's administrator")
    return made


def _lake(chosen: argparse.Namespace) -> Any:
    from lofarlake_nb.lake import client

    return client.connect(chosen.lake, administrator=chosen.administrator)


def _add_embedded(commands: Any) -> None:
    lake = commands.add_parser("lake", help="the embedded lake: start, status, stop, reset, env")
    actions = lake.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    start = command(actions, "start", _lake_start, "Start the embedded lake, or mend it.")
    start.add_argument("--port", type=int, help="port of Rucio's server (default: a free one)")
    reset = command(actions, "reset", _lake_reset, "Stop the embedded lake and remove all that is in it.")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    others = [
        command(actions, "status", _lake_status, "Say which parts of the embedded lake are up."),
        command(actions, "stop", _lake_stop, "Stop the embedded lake; what is in it stays."),
        command(actions, "env", _lake_env, "Print the exports with which Rucio's own `rucio` works on this lake."),
    ]
    for action in (start, reset, *others):
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

    return _lake_answer(supervisor.start(home(chosen), port=chosen.port))


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


def _add_ingest(commands: Any) -> None:
    ingest = _connected(commands, "ingest", _ingest, "Bring Measurement Sets or ready files into a dataset.")
    ingest.add_argument("paths", nargs="+", metavar="PATH", help="Measurement Sets, folders of them, or ready files")
    ingest.add_argument("--dataset", required=True, metavar="DID", help="scope:name of the dataset that they go into")
    ingest.add_argument("--container", default="", metavar="DID", help="that the dataset is put into")
    ingest.add_argument("--rse", default="SARA", help="site that receives the files (default SARA)")
    ingest.add_argument(
        "--replicate-to", default="", metavar="SITES", help="ask for a copy elsewhere: JUELICH, QOS=TAPE"
    )
    ingest.add_argument("--streams", type=int, default=2, help="files sent at the same time (default 2)")


def _ingest(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import ingest
    from lofarlake_nb.lake.live import terminal
    from lofarlake_nb.parameters import IngestParameters

    names = ("dataset", "container", "rse", "replicate_to", "streams")
    parameters = IngestParameters(**{name: getattr(chosen, name) for name in names})
    done = ingest.ingest(_lake(chosen), chosen.paths, parameters, progress=terminal())
    sent = f"{done.bytes / 1e6:.1f} MB sent in {done.seconds:.1f} s"
    return done.summary(), f"{done.dataset}: {done.files} files are verified at {done.rse}, {sent}", 0


def _add_verify(commands: Any) -> None:
    verify = _connected(commands, "verify", _verify, "Compare what the catalogue says with what each site has.")
    verify.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    verify.add_argument("--deep", action="store_true", help="compare checksums too, not only sizes")
    verify.add_argument("--repair", action="store_true", help="have bad copies made anew from good ones, and wait")
    verify.add_argument("--streams", type=int, default=4, help="files looked at at the same time (default 4)")
    verify.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for a repair (default 600)")


def _verify(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import repair, verify
    from lofarlake_nb.lake.live import terminal

    lake, show = _lake(chosen), terminal()
    found = verify.verify(lake, chosen.did, deep=chosen.deep, streams=chosen.streams, progress=show)
    value: dict[str, Any] = {**found.summary(), "rows": [dataclasses.asdict(row) for row in found.problems]}
    lines = [f"{row.did} {row.rse or '-'}: {row.problem}" for row in found.problems]
    lines.append(f"{found.dataset}: {len(found.rows) - len(lines)} of {len(found.rows)} copies are right")
    ok = found.ok
    if chosen.repair and not ok:
        mended = repair.repair(lake, found, deep=chosen.deep, timeout=chosen.timeout, progress=show)
        value |= {"repair": mended.summary(), "ok": mended.ok}
        lines += [f"{one.did} {one.rse}: {one.outcome}" for one in mended.outcomes]
        ok = mended.ok
    return value, "\n".join(lines), 0 if ok else 1


def _add_rules(commands: Any) -> None:
    rules = _connected(commands, "rules", _rules, "Say which rules hold a DID, and what each waits for.")
    rules.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    rules.add_argument("--limit", type=int, default=100, help="files to look up for each rule (default 100)")
    replicate = _connected(commands, "replicate", _replicate, "Ask the lake for a copy of a DID elsewhere.")
    replicate.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    replicate.add_argument("expression", metavar="SITES", help="a site, or by attributes: QOS=TAPE")
    replicate.add_argument("--lifetime", default="", help='how long the copy is kept: "30 d", "12 h" (default: always)')
    replicate.add_argument("--wait", action="store_true", help="wait until it is there")
    replicate.add_argument("--timeout", type=float, default=3600.0, help="seconds to wait (default 3600)")


def _rules(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import rules

    held = rules.of(_lake(chosen), chosen.did, chosen.limit)
    lines = []
    for one in held:
        rule = one.rule
        ends, why = f", ends {rule.ends} UTC" if rule.ends else "", f": {rule.error}" if rule.error else ""
        of = "" if str(rule.did) == chosen.did else f" of {rule.did}"
        counts = f"{rule.ok} of {rule.total} files are there"
        lines.append(f"{rule.rule_id} {rule.rse_expression}{of}, {rule.account}: {rule.state}, {counts}{ends}{why}")
        lines += [f"  {p.did} to {p.rse}: {p.state}{', ' + p.reason if p.reason else ''}" for p in one.pending]
    value = {"did": chosen.did, "rules": [_plain(one) for one in held]}
    return value, "\n".join(lines or [f"no rule holds {chosen.did}"]), 0


def _replicate(chosen: argparse.Namespace) -> Answer:
    from astropy import units as u

    from lofarlake_nb.lake import rules
    from lofarlake_nb.lake.live import terminal
    from lofarlake_nb.parameters import quantity

    lifetime = round(quantity("lifetime", chosen.lifetime, u.s).value) if chosen.lifetime else None
    lake = _lake(chosen)
    rule_id = rules.replicate(lake, chosen.did, chosen.expression, lifetime)
    if chosen.wait:
        rules.wait(lake, rule_id, chosen.timeout, terminal())
    rule = rules.state(lake, rule_id)
    return _plain(rule), f"rule {rule_id}: {rule.ok} of {rule.total} files are at {chosen.expression}", 0


def _add_retrieve(commands: Any) -> None:
    retrieve = _connected(
        commands, "retrieve", _retrieve, "Bring a DID here, verified; what is here is not moved again."
    )
    retrieve.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    retrieve.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder that it goes to")
    retrieve.add_argument("--streams", type=int, default=2, help="files moved at the same time (default 2)")
    retrieve.add_argument("--keep-tars", action="store_true", help="do not take tars apart")


def _retrieve(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import retrieve
    from lofarlake_nb.lake.live import terminal

    got = retrieve.retrieve(
        _lake(chosen), chosen.did, chosen.to, streams=chosen.streams, unpack=not chosen.keep_tars, progress=terminal()
    )
    value = {**dataclasses.asdict(got), "paths": [str(path) for path in got.paths]}
    moved = f"{got.bytes / 1e6:.1f} MB moved in {got.seconds:.1f} s"
    lines = [*got.problems, *value["paths"], f"{chosen.did}: {got.files} files are in {chosen.to}, {moved}"]
    return value, "\n".join(lines), 0


def _add_find(commands: Any) -> None:
    find = _connected(commands, "find", _find, "Find datasets or files by what their Measurement Sets say.")
    for name, said in _QUERY.items():
        find.add_argument(f"--{name.replace('_', '-')}", default="", help=said)
    find.add_argument("--kind", default="dataset", help="dataset, container or file (default dataset)")
    find.add_argument("--scope", default="", help="where to look (default: all scopes)")


def _find(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import search

    query = search.Query(**{name: getattr(chosen, name) for name in _QUERY})
    found = search.find(_lake(chosen), query, kind=chosen.kind, scope=chosen.scope)
    value = {"found": [dataclasses.asdict(one) for one in found]}
    return value, _table(found) if found else found.note, 0


def _add_retire(commands: Any) -> None:
    retire = _connected(commands, "retire", _retire, "End the rules of a dataset: its copies go, its record stays.")
    retire.add_argument("did", metavar="DID", help="scope:name of a dataset")
    retire.add_argument("--yes", action="store_true", help="do not ask")
    retire.add_argument("--timeout", type=float, default=600.0, help="seconds to wait (default 600)")
    audit = _connected(commands, "audit", _audit, "Report dark data (on storage, in no catalogue) and lost files.")
    audit.add_argument("--older-than", default="1 h", help='how long dark data must have lain there (default "1 h")')
    audit.add_argument("--remove-dark", action="store_true", help="remove what is dark")


def _retire(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import housekeeping

    if not chosen.yes:
        _agree(f"End the rules of {chosen.did}, so that its copies go?")
    done = housekeeping.retire(_lake(chosen), chosen.did, timeout=chosen.timeout)
    lines = [f"still held by rule {holder}" for holder in done.holders]
    lines.append(
        f"{done.dataset}: {len(done.rules)} rules ended, {done.replicas} copies of {done.files} files are left"
    )
    return done.summary(), "\n".join(lines), 0 if done.ok else 1


def _audit(chosen: argparse.Namespace) -> Answer:
    from astropy import units as u

    from lofarlake_nb.lake import housekeeping
    from lofarlake_nb.parameters import quantity

    older = quantity("older-than", chosen.older_than, u.s).value
    done = housekeeping.audit(_lake(chosen), older_than=older, remove_dark=chosen.remove_dark)
    word = "removed" if chosen.remove_dark else "dark"
    lines = [f"{word}: {site} {path}, {size} bytes" for site, path, size in done.dark]
    lines += [f"lost: {site} {did}" for site, did in done.lost]
    lines += [f"not mounted here: {site}" for site in done.unseen]
    lines.append(f"{done.files} copies in the catalogue, {len(done.lost)} lost; {len(done.dark)} dark files")
    return done.summary(), "\n".join(lines), 0 if done.ok else 1


def _agree(question: str) -> None:
    """Ask a person; whoever is no person at a terminal must have said --yes."""
    if sys.stdin is None or not sys.stdin.isatty() or input(f"{question} [y/N] ").lower() != "y":
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


def _plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON takes it; a DID is its text."""
    from lofarlake_nb.lake.did import DID

    def plain(one: Any) -> Any:
        if isinstance(one, DID):
            return str(one)
        if dataclasses.is_dataclass(one) and not isinstance(one, type):
            return {field.name: plain(getattr(one, field.name)) for field in dataclasses.fields(one)}
        return [plain(inner) for inner in one] if isinstance(one, (list, tuple)) else one

    return plain(value)
