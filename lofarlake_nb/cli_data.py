"""The commands of `lofarlake` that bring data into a lake, to other sites, and out of it."""

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from lofarlake_nb.commands import Answer, connected, count, lake_of, view, waiting
from lofarlake_nb.wording import counted


def add(commands: Any) -> None:
    """Add them to the parser of all commands.

    Examples
    --------
    >>> from lofarlake_nb.commands import Parser
    >>> parser = Parser()
    >>> add(parser.add_subparsers())
    >>> parser.parse_args(["retrieve", "lofar:example", "--to", "here"]).streams
    4
    """
    _add_ingest(commands)
    _add_rules(commands)
    _add_retrieve(commands)


def _add_ingest(commands: Any) -> None:
    ingest = connected(commands, "ingest", _ingest, "Bring Measurement Sets or ready files into a dataset.")
    ingest.add_argument("paths", nargs="+", metavar="PATH", help="Measurement Sets, folders of them, or ready files")
    ingest.add_argument("--dataset", required=True, metavar="DID", help="scope:name of the dataset that they go into")
    ingest.add_argument("--container", default="", metavar="DID", help="that the dataset is put into")
    ingest.add_argument("--rse", default="SARA", help="site that receives the files (default SARA)")
    ingest.add_argument(
        "--replicate-to", default="", metavar="SITES", help="ask for a copy elsewhere: JUELICH, QOS=TAPE"
    )
    ingest.add_argument("--streams", type=count, default=4, help="files sent at the same time (default 4)")
    ingest.add_argument(
        "--in-place", action="store_true", help="the files lie at the site already: register them, copy nothing"
    )
    ingest.add_argument("--lifetime", default="", help='how long the rules hold them: "30 d" (default: always)')


def _ingest(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import ingest
    from lofarlake_nb.parameters import IngestParameters

    names = ("dataset", "container", "rse", "replicate_to", "streams", "in_place", "lifetime")
    parameters = IngestParameters(**{name: getattr(chosen, name) for name in names})
    done = ingest.ingest(lake_of(chosen), chosen.paths, parameters, progress=view())
    sent = f"{done.bytes / 1e6:.1f} MB sent in {done.seconds:.1f} s"
    if chosen.in_place:
        sent = f"where they lie, in {done.seconds:.1f} s"
    return done.summary(), f"{done.dataset}: {counted(done.files, 'file is')} verified at {done.rse}, {sent}", 0


def _add_rules(commands: Any) -> None:
    rules = connected(commands, "rules", _rules, "Say which rules hold a DID, and what each waits for.")
    rules.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    rules.add_argument("--limit", type=count, default=100, help="files to look up for each rule (default 100)")
    replicate = connected(commands, "replicate", _replicate, "Ask the lake for a copy of a DID elsewhere.")
    replicate.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    replicate.add_argument("expression", metavar="SITES", help="a site, or by attributes: QOS=TAPE")
    replicate.add_argument("--lifetime", default="", help='how long the copy is kept: "30 d", "12 h" (default: always)')
    replicate.add_argument("--wait", action="store_true", help="wait until it is there")
    replicate.add_argument("--timeout", type=waiting, default=3600.0, help="seconds to wait (default 3600)")


def _rules(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import rules

    held = rules.of(lake_of(chosen), chosen.did, chosen.limit)
    lines = []
    for one in held:
        rule = one.rule
        ends, why = f", ends {rule.ends} UTC" if rule.ends else "", f": {rule.error}" if rule.error else ""
        of = "" if str(rule.did) == chosen.did else f" of {rule.did}"
        counts = f"{rule.ok} of {counted(rule.total, 'file is')} there"
        lines.append(f"{rule.rule_id} {rule.rse_expression}{of}, {rule.account}: {rule.state}, {counts}{ends}{why}")
        lines += [f"  {p.did} to {p.rse}: {p.state}{', ' + p.reason if p.reason else ''}" for p in one.pending]
    value = {"did": chosen.did, "rules": [_plain(one) for one in held]}
    return value, "\n".join(lines or [f"no rule holds {chosen.did}"]), 0


def _replicate(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import rules
    from lofarlake_nb.lake.patience import Patience
    from lofarlake_nb.parameters import seconds

    lifetime = math.ceil(seconds("lifetime", chosen.lifetime)) if chosen.lifetime else None
    lake = lake_of(chosen)
    with lake.patient(Patience(300.0)):  # Rucio's own daemons may be at work on the same rows
        rule_id = rules.replicate(lake, chosen.did, chosen.expression, lifetime)
    if chosen.wait:
        rules.wait(lake, rule_id, chosen.timeout, view())
    rule = rules.state(lake, rule_id)
    return _plain(rule), f"rule {rule_id}: {rule.ok} of {counted(rule.total, 'file is')} at {chosen.expression}", 0


def _add_retrieve(commands: Any) -> None:
    retrieve = connected(
        commands, "retrieve", _retrieve, "Bring a DID here, verified; what is here is not moved again."
    )
    retrieve.add_argument("did", metavar="DID", help="scope:name of a dataset, a container or a file")
    retrieve.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder that it goes to")
    retrieve.add_argument("--streams", type=count, default=4, help="files moved at the same time (default 4)")
    retrieve.add_argument(
        "--patience", default="24 h", help='how long to wait without a file coming from tape (default "24 h")'
    )
    retrieve.add_argument("--keep-tars", action="store_true", help="do not take tars apart")


def _retrieve(chosen: argparse.Namespace) -> Answer:
    from lofarlake_nb.lake import retrieve
    from lofarlake_nb.parameters import seconds

    patience = seconds("patience", chosen.patience)
    got = retrieve.retrieve(
        lake_of(chosen),
        chosen.did,
        chosen.to,
        streams=chosen.streams,
        unpack=not chosen.keep_tars,
        patience=patience,
        progress=view(),
    )
    value = {**dataclasses.asdict(got), "paths": [str(path) for path in got.paths]}
    moved = f"{got.bytes / 1e6:.1f} MB moved in {got.seconds:.1f} s"
    lines = [*got.problems, *value["paths"], f"{chosen.did}: {counted(got.files, 'file is')} in {chosen.to}, {moved}"]
    return value, "\n".join(lines), 0


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
