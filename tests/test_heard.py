"""What tests assert of the log does not depend on the tests before them."""

import logging


def test_a_warning_is_heard_after_everything_was_silenced(request, monkeypatch):
    logger = logging.getLogger("lofarlake_nb.lake.progress")
    for name, value in {"level": logging.CRITICAL, "propagate": False, "disabled": True}.items():
        monkeypatch.setattr(logger, name, value)
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    for handler in logging.root.handlers:
        monkeypatch.setattr(handler, "level", logging.CRITICAL)
    caplog = request.getfixturevalue("caplog")
    logger.warning("a view broke")
    assert caplog.messages == ["a view broke"]
