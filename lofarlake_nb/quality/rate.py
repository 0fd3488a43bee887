"""What a rate of ingest means for a full-day observation."""

# The ESCAPE dress rehearsal of November 2020: a full-day LOFAR observation of 20 TB.
FULL_DAY_BYTES = 20e12
DAY_SECONDS = 86400.0


def full_day(rate_mb_s: float | None) -> dict[str, float | None]:
    """Time that a full-day observation of 20 TB would take at a rate.

    Parameters
    ----------
    rate_mb_s : float or None
        Rate, MB/s (10⁶ bytes); None where nothing was sent.

    Returns
    -------
    dict
        ``hours``, ``needed_mb_s`` (231.5 MB/s: 20 TB in a day), and ``share``, the rate over the needed one.

    Examples
    --------
    >>> f"{full_day(500.0)['hours']:.1f}"
    '11.1'
    """
    needed = FULL_DAY_BYTES / DAY_SECONDS / 1e6
    if not rate_mb_s:
        return {"hours": None, "needed_mb_s": needed, "share": None}
    return {"hours": FULL_DAY_BYTES / (rate_mb_s * 1e6) / 3600, "needed_mb_s": needed, "share": rate_mb_s / needed}
