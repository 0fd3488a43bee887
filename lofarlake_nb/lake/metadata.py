"""What the catalogue knows of a file or a dataset: JSON metadata, read from the Measurement Set."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from lofarlake_nb.lake import names
from lofarlake_nb.lake.client import Lake, batches
from lofarlake_nb.lake.did import DID
from lofarlake_nb.observation import naming
from lofarlake_nb.observation.measurement_set import Description

# Rucio has columns of its own called project, version, bytes, events and more: such a key would not be JSON metadata.
_LOWEST = ("min_frequency_hz", "start")
_HIGHEST = ("max_frequency_hz", "duration_s", "exposure_s")
_SUMMED = ("n_channels", "n_rows")
# What holds for results as well: channels, rows, stations and integrations are a run's to choose from or to average.
_LASTING = (
    "telescope",
    "project_name",
    "observation_id",
    "target",
    "antenna_set",
    "ra_deg",
    "dec_deg",
    "start",
    "duration_s",
    "min_frequency_hz",
    "max_frequency_hz",
    "sap",
    "subbands",
)


def of_measurement_set(described: Description) -> dict[str, Any]:
    """Metadata of one Measurement Set.

    Parameters
    ----------
    described : Description
        From `measurement_set.describe`.

    Returns
    -------
    dict
        What it does not say is left out. Angles in degrees, frequencies in Hz, durations in s.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.observation import measurement_set
    >>> described = measurement_set.describe(Path("observation/L990100_SAP000_SB000_uv.MS"))
    >>> of_measurement_set(described)["target"]
    '3C196'
    """
    about = {
        "telescope": described.telescope,
        "project_name": described.project,
        "observation_id": _observation_id(described.observation_id),
        "target": described.target,
        "antenna_set": described.antenna_set,
        "ra_deg": described.ra_deg,
        "dec_deg": described.dec_deg,
        "start": described.start,
        "duration_s": described.duration_s,
        "exposure_s": described.exposure_s,
        "interval_s": described.interval_s,
        "min_frequency_hz": described.min_frequency_hz,
        "max_frequency_hz": described.max_frequency_hz,
        "channel_width_hz": described.channel_width_hz,
        "n_channels": described.n_channels,
        "n_rows": described.n_rows,
        "subband": described.subband,
        "sap": described.sap,
        "correlations": list(described.correlations),
        "stations": list(described.stations),
        "n_stations": len(described.stations),
    }
    return {key: value for key, value in about.items() if value is not None and value != ""}


def _observation_id(written: str) -> str:
    """With its L, as in the archive's names: a Measurement Set has the digits only."""
    return f"L{written}" if written.isdecimal() else written


def of_name(name: str) -> dict[str, Any]:
    """Metadata that a ready tar's name tells; empty when it is not one of the archive's.

    Examples
    --------
    >>> of_name("L667520_SAP000_SB003_uv.MS_a1b2c3d4.tar")["observation_id"]
    'L667520'
    """
    known = naming.parse(name)
    return {"observation_id": known.observation, "subband": known.subband, "sap": known.sap} if known else {}


def of_dataset(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Metadata of a dataset, from those of its files.

    Parameters
    ----------
    files : sequence of mappings
        As `of_measurement_set` and `of_name` give them.

    Returns
    -------
    dict
        What all files share, the range of frequencies and times, sums of rows and channels, and ``subbands``. It lasts
        from the first slot of its files to the last.

    Examples
    --------
    >>> first, second = {"target": "3C196", "subband": 3, "n_rows": 10}, {"target": "3C196", "subband": 1, "n_rows": 12}
    >>> of_dataset([first, second])
    {'target': '3C196', 'n_rows': 22, 'subbands': [1, 3]}
    """
    files = [about for about in files if about]
    if not files:
        return {}
    shared = {k: v for k, v in files[0].items() if all(about.get(k) == v for about in files)}
    for keys, choose in ((_LOWEST, min), (_HIGHEST, max), (_SUMMED, sum)):
        for key in keys:
            values = [about[key] for about in files if key in about]
            if values:
                with suppress(TypeError):  # somebody else wrote a text where others have a number
                    shared[key] = choose(values)
    if (lasts := _span(files)) is not None:
        shared["duration_s"] = lasts
    shared.pop("subband", None)
    subbands = sorted({about["subband"] for about in files if isinstance(about.get("subband"), int)})
    return {**shared, **({"subbands": subbands} if subbands else {})}


def of_results(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Metadata of results, from those of the datasets that they were made from: target, place, frequencies, times.

    Parameters
    ----------
    inputs : sequence of mappings
        Metadata of each.

    Returns
    -------
    dict
        Under the same keys, where all agree.

    Examples
    --------
    >>> night = {"target": "3C196", "start": "2018-09-01T10:00:00", "n_rows": 12}
    >>> of_results([night]), of_results([night, {**night, "start": "2018-09-02T10:00:00"}])
    ({'target': '3C196', 'start': '2018-09-01T10:00:00'}, {'target': '3C196'})
    """
    if not inputs:
        return {}
    said = {key: inputs[0][key] for key in _LASTING if key in inputs[0]}
    return {key: value for key, value in said.items() if all(about.get(key) == value for about in inputs)}


def _span(files: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds from the first beginning to the last end, of those that say both; None where none does."""
    told = []
    for about in files:
        with suppress(KeyError, TypeError, ValueError):
            begin = datetime.fromisoformat(about["start"])
            told.append((begin if begin.tzinfo else begin.replace(tzinfo=UTC), float(about["duration_s"])))
    first = min((begin for begin, _ in told), default=None)
    return None if first is None else max((begin - first).total_seconds() + seconds for begin, seconds in told)


def write(lake: Lake, abouts: Mapping[DID, Mapping[str, Any]]) -> None:
    """Add metadata to DIDs, in calls of up to 1000; a key that is there is replaced.

    Parameters
    ----------
    lake : Lake
        Where they are.
    abouts : mapping
        Of each DID its metadata; empty ones are left out.

    Examples
    --------
    >>> write(lake, {DID("lofar", "L990100"): {"weather": "thunder"}})
    >>> lake.call("get_metadata", "lofar", "L990100", plugin="ALL")["weather"]
    'thunder'
    """
    entries = [{**did.parts, "meta": dict(about)} for did, about in abouts.items() if about]
    for some in batches(entries):
        lake.call("set_dids_metadata_bulk", some)


def forget(lake: Lake, did: DID, keys: Iterable[str]) -> None:
    """Remove metadata of a DID.

    Examples
    --------
    >>> did = DID("lofar", "L990100")
    >>> write(lake, {did: {"moon": "full"}}), forget(lake, did, ["moon"]), "moon" in read(lake, did)
    (None, None, False)
    """
    for key in sorted(keys):
        lake.call("delete_metadata", did.scope, did.name, key)


def of_files(lake: Lake, files: Sequence[DID]) -> list[dict[str, Any]]:
    """Metadata of each of some files, or datasets, as `write` wrote it; of those that are in the lake.

    Examples
    --------
    >>> [about["filename"] for about in of_files(lake, [DID("lofar", "example.image.fits")])]
    ['image.fits']
    """
    found = []
    for some in batches(files):
        for row in lake.call("get_metadata_bulk", [did.parts for did in some], plugin="JSON"):
            found.append({key: value for key, value in row.items() if key not in ("scope", "name")})
    return found


def read(lake: Lake, did: DID | str) -> dict[str, Any]:
    """Metadata of a DID.

    Parameters
    ----------
    lake : Lake
        Where it is.
    did : DID or str
        ``scope:name``.

    Returns
    -------
    dict
        Empty when it has none.

    Raises
    ------
    DIDNotFound
        When it is not there.

    Examples
    --------
    >>> read(lake, "lofar:L990100")["target"]
    '3C196'
    """
    did = DID.parse(did)
    lake.get(did)
    return lake.call("get_metadata", did.scope, did.name, plugin="JSON")


def original_names(lake: Lake, files: Sequence[DID]) -> dict[DID, str]:
    """Names of files as they were before the lake: of those that were written otherwise for it.

    Parameters
    ----------
    lake : Lake
        Where they are.
    files : sequence of DID
        Only those are asked for whose names look as if.

    Returns
    -------
    dict
        What the catalogue says is taken only where it is what the name was made from.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lofarlake_nb.lake import ingest
    >>> table = Path("a table.csv"), Path("a table.csv").write_text("1")
    >>> done = ingest.ingest_products(lake, [table[0]], "lofar:odd", {}, replicate_to="")
    >>> list(original_names(lake, [DID("lofar", "odd.a__20table.csv")]).values())
    ['odd.a table.csv']
    """
    odd = [did for did in files if names.is_cut(did.name) or names.decode(did.name) != did.name]
    found: dict[DID, str] = {}
    for some in batches(odd):
        for row in lake.call("get_metadata_bulk", [did.parts for did in some], plugin="JSON"):
            told = row.get(names.ORIGINAL)
            if isinstance(told, str) and told.isprintable() and names.encode(told) == row["name"]:
                found[DID(row["scope"], row["name"])] = told
    return found
