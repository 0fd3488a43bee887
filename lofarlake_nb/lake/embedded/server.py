"""Rucio's own REST server, under gunicorn: ``python -m lofarlake_nb.lake.embedded.server HOME``."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from gunicorn.app.base import BaseApplication

from lofarlake_nb.lake.embedded import database
from lofarlake_nb.lake.embedded.home import Home

THREADS = 8  # with as many connections to the database at most


class Server(BaseApplication):
    """gunicorn with one worker of several threads, which settles the catalogue before it serves."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.settings = home.settings()
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's own choice."""
        for name, value in {
            "bind": [f"127.0.0.1:{self.settings.server_port}"],
            "workers": 1,
            "threads": THREADS,
            "worker_class": "gthread",
            "timeout": 300,
            "graceful_timeout": 5,
            "keepalive": 30,
            "control_socket_disable": True,
            "worker_tmp_dir": str(self.home.run),
            "worker_int": lambda worker: os._exit(0),  # to stop: the interpreter takes seconds to take Rucio apart
            "loglevel": "warning",
            "proc_name": "lofarlake-rucio",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Callable:
        """Rucio's WSGI application, in the worker."""
        try:
            database.wait(self.settings, make=True)
            # Imported here: Rucio asks the database when imported, takes seconds, and the arbiter does without.
            from rucio.web.rest.flaskapi.v1.main import application

            from lofarlake_nb.lake.embedded import catalogue

            catalogue.survive_restarts()
            catalogue.settle(self.home, self.settings)
        except Exception:
            traceback.print_exc()  # gunicorn says only that its worker ended
            raise
        return application


if __name__ == "__main__":
    Server(Home(Path(sys.argv[1]))).run()
