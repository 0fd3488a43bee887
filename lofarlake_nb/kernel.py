"""The kernel that runs of notebooks have: IPython's, which ends as soon as it has nothing left to do."""

import psutil
from ipykernel.ipkernel import IPythonKernel


class Kernel(IPythonKernel):
    """IPython's kernel, which leaves Python's own helpers to end with it.

    When it is told to end, IPython's signals every child and waits until none is left, 29 s at most. One always is
    where Dask's workers ran: multiprocessing's resource tracker heeds no signal. The workers, which it would end in
    the midst of what they do, are closed by `cluster.Session` when Python ends; the tracker goes with Python.

    Examples
    --------
    >>> from lofarlake_nb import executing
    >>> executing.KERNEL.endswith(f"{Kernel.__module__}.{Kernel.__name__}")
    True
    """

    def _process_children(self) -> list[psutil.Process]:
        """Those that IPython's would end."""
        return [child for child in super()._process_children() if not helper(child)]


def helper(process: psutil.Process) -> bool:
    """Whether a process is one of multiprocessing's, which end with the process that started them.

    Examples
    --------
    >>> helper(psutil.Process())
    False
    """
    try:
        return any(word.startswith("from multiprocessing.") for word in process.cmdline())
    except psutil.Error:  # it has ended
        return True
