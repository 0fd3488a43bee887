"""Report of stage 1: files, bytes and rate, and what that rate means for a full day."""

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofarlake_nb import steps
from lofarlake_nb.lake.ingest import Ingested
from lofarlake_nb.lake.rules import Rule
from lofarlake_nb.lake.verify import Verified
from lofarlake_nb.quality.rate import full_day
from lofarlake_nb.quality.summary import KEYS


@dataclass(frozen=True)
class IngestReport:
    """What stage 1 did, as `write` keeps it in a file.

    Examples
    --------
    >>> done = {"files": 1, "bytes": 5e6, "seconds": 0.5, "rate_mb_s": 10.0, "catalogue_calls": 9}
    >>> value = {"dataset": "lofar:L1", "sites": ["SARA"], "ingest": done, "full_day": full_day(10.0)}
    >>> "<td>10 MB/s, 0.04 of what 20 TB in a day need</td>" in IngestReport(Path("ingest.json"), value)._repr_html_()
    True
    """

    path: Path
    value: dict[str, Any]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        made = {"dataset": self.value["dataset"], "files": [str(self.path.absolute())]}
        return {"text/html": self._repr_html_(), "text/plain": str(self.path), steps.MADE_MIME: made}

    def _repr_html_(self) -> str:
        done, day = self.value["ingest"], self.value["full_day"]
        rows = [
            ("dataset", self.value["dataset"]),
            ("files verified", str(done["files"])),
            ("copies", ", ".join(self.value["sites"])),
            ("sent", f"{done['bytes'] / 1e6:.0f} MB in {done['seconds']:.1f} s"),
            ("catalogue calls", str(done["catalogue_calls"])),
        ]
        if done["rate_mb_s"] is None:
            rows.append(("rate", "nothing was sent: all was there"))
        else:
            rows.append(("rate", f"{done['rate_mb_s']:.0f} MB/s, {day['share']:.2f} of what 20 TB in a day need"))
            rows.append(("20 TB would take", f"{day['hours']:.1f} hours at this rate"))
        body = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
        return f"<table>{body}</table>"


def write(path: Path, ingested: Ingested, copied: Rule, verified: Verified) -> IngestReport:
    """Write the figures of an ingest as JSON.

    Parameters
    ----------
    path : Path
        File to write.
    ingested : Ingested
        What was sent.
    copied : Rule
        The rule of the copy elsewhere, or of the only one.
    verified : Verified
        What the sites hold.

    Returns
    -------
    IngestReport
        To be shown by a cell.

    Examples
    --------
    >>> from lofarlake_nb.lake import ingest, rules, verify
    >>> from lofarlake_nb.parameters import IngestParameters
    >>> ingested = ingest.ingest(lake, ["observation"], IngestParameters(dataset="lofar:L990100"))
    >>> copied = rules.wait(lake, ingested.rules[-1])
    >>> report = write(Path("ingest.json"), ingested, copied, verify.verify(lake, "lofar:L990100"))
    >>> Path("ingest.json").exists()
    True
    """
    path = Path(os.path.expanduser(path))
    value = {
        "dataset": ingested.dataset,
        "container": ingested.container,
        "sites": sorted({row.rse for row in verified.rows}),
        "rule": {"expression": copied.rse_expression, "state": copied.state},
        "ingest": {key: getattr(ingested, key) for key in KEYS["ingest"]},
        "full_day": full_day(ingested.rate_mb_s),
    }
    steps.write_json(path, value)
    return IngestReport(path, value)
