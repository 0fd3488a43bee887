"""What the lake knows of a DID, as lines of HTML: sites in colour, mark and word, rules with what they wait for."""

import html
from collections.abc import Mapping
from typing import Any

from lofarlake_nb.lake import live
from lofarlake_nb.lake.about import About, Site
from lofarlake_nb.lake.rules import Held
from lofarlake_nb.widgets.ticks import COLOURS
from lofarlake_nb.wording import counted

# Of a Measurement Set's metadata, what an astronomer looks for first.
_FIRST = ("target", "project_name", "observation_id", "start", "duration_s", "n_stations", "subband", "antenna_set")
_LISTED = 8  # values of a list that are shown
_RULE_COLOURS = {"OK": "green", "REPLICATING": "yellow", "STUCK": "red", "SUSPENDED": "red"}


def about(known: About) -> str:
    """All of it as HTML.

    Examples
    --------
    >>> from lofarlake_nb.lake import browse
    >>> "lofar:example" in about(browse.connect(home).about("lofar:example"))
    True
    """
    entry = known.entry
    head = f"<div><b>{html.escape(str(entry.did))}</b></div>"
    facts = [entry.type]
    if entry.files is not None:
        facts.append(counted(entry.files, "file", ","))
    if entry.bytes is not None:
        facts.append(f"{live.size(entry.bytes)} ({entry.bytes:,} bytes)")
    if entry.adler32:
        facts.append(f"adler32 {entry.adler32}")
    if entry.open:
        facts.append("open: files may still join it")
    parts = [head, f"<div>{html.escape(', '.join(facts))}</div>"]
    if known.parents:
        parts.append(f"<div>in {html.escape(', '.join(known.parents[:_LISTED]))}</div>")
    parts.append(_section("Sites", [_site(site) for site in known.sites] or ["no site has it"]))
    parts.append(_section("Rules", [_rule(held) for held in known.rules] or ["no rule holds it: it may be deleted"]))
    if known.metadata:
        parts.append(_section("Metadata", [_metadata(known.metadata)]))
    return "".join(parts)


def problem(error: Exception) -> str:
    """An error, as on the terminal, with its mark.

    Examples
    --------
    >>> "no such file" in problem(OSError("no such file"))
    True
    """
    return f'<div role="alert">{mark("red")} {html.escape(str(error))}</div>'


def mark(colour: str) -> str:
    """The sign of a colour, in that colour; a word always stands beside it.

    Examples
    --------
    >>> "▲" in mark("yellow")
    True
    """
    return f'<span style="color: {COLOURS[colour]}" aria-hidden="true">{live.MARKS[colour]}</span>'


def _section(title: str, lines: list[str]) -> str:
    return f'<div style="margin-top: 6px"><b>{title}</b></div>' + "".join(f"<div>{line}</div>" for line in lines)


def _site(site: Site) -> str:
    return f"{mark(site.colour)} {html.escape(site.name)}: {site.colour}, {html.escape(site.words)}"


def _rule(held: Held) -> str:
    rule = held.rule
    colour = _RULE_COLOURS.get(rule.state, "yellow")
    said = f"{rule.rse_expression}: {rule.state}, {rule.ok} of {counted(rule.total, 'file is')} there"
    said += f", until {rule.ends} UTC" if rule.ends else ""
    said += f"; {rule.error}" if rule.error else ""
    waits = "".join(
        f"<li>waits for {html.escape(str(p.did))} at {html.escape(p.rse)}, {html.escape(p.state)}"
        f"{html.escape(': ' + p.reason if p.reason else '')}</li>"
        for p in held.pending
    )
    return f"{mark(colour)} {html.escape(said)}" + (f"<ul style='margin: 0'>{waits}</ul>" if waits else "")


def _metadata(known: Mapping[str, Any]) -> str:
    keys = [*(key for key in _FIRST if key in known), *sorted(known.keys() - set(_FIRST))]
    rows = "".join(
        f"<tr><th scope='row' style='text-align: left; padding: 0 8px 0 0; vertical-align: top'>{html.escape(key)}</th>"
        f"<td style='text-align: left'>{html.escape(_value(known[key]))}</td></tr>"
        for key in keys
    )
    said = "1 entry" if len(keys) == 1 else f"{len(keys)} entries"
    return f"<details><summary>{said}</summary><table>{rows}</table></details>"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        more = f", and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return ", ".join(map(str, value[:_LISTED])) + more
    return str(value)[:500]
