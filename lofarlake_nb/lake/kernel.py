"""IPython extension: what is chosen in the Rucio panel ("Add to Notebook") becomes a variable."""

from typing import Any

from rucio_jupyterlab.kernels.ipython import RucioDIDAttachmentConnector

from lofarlake_nb.lake import looking


class Connector(RucioDIDAttachmentConnector):
    """The panel's connector, which answers to a page that is there to hear it.

    Its own opens its answering channel when the kernel starts, before any page listens: the panel then waits forever.
    What is chosen also knows what it is: ``chosen.did``, beside the paths that it is a list of.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> shell = Mock(user_ns={})
    >>> connector, connector.ipython.push, connector.send_comm = Connector(shell), shell.user_ns.update, Mock()
    >>> connector.inject_dids([{"variableName": "image", "did": "lofar:a.fits", "files": [{"path": "/lake/a.fits"}]}])
    >>> shell.user_ns["image"].path, shell.user_ns["image"].did
    ('/lake/a.fits', 'lofar:a.fits')
    """

    def target_func(self, comm: Any, msg: Any) -> None:
        """Take the channel that a page opens, and open one to it."""
        self.register_outgoing_comm()
        super().target_func(comm, msg)

    def inject_dids(self, dids: list[dict[str, Any]]) -> None:
        """Make variables of what was chosen."""
        super().inject_dids(dids)
        for chosen in dids:
            self.ipython.user_ns[chosen["variableName"]].did = chosen["did"]


def load_ipython_extension(ipython: Any) -> None:
    """Wait for the panel, which a page for people who only look does not have; IPython calls this.

    Examples
    --------
    >>> from unittest.mock import Mock
    >>> shell = Mock()
    >>> load_ipython_extension(shell)
    >>> shell.kernel.comm_manager.register_target.call_args.args[0]
    'rucio-jupyterlab:kernel'
    """
    if not looking.only():
        Connector(ipython).register_comm()
