"""What an account may do that is no administrator, beyond Rucio's generic policy.

The generic policy keeps registering replicas, and changing rules, for administrators. Here, as on lakes where
astronomers bring their own data:

- who has a quota at a site may register replicas there, and say that they are complete;
- who made a rule may change its lifetime, or end it;
- at a site with the attribute ``maximum_rule_lifetime`` (seconds) rules of astronomers end after that, at most;
- everybody may read what became of a transfer, so that `lofarlake rules` can say why a file is stuck.

All else stays: scopes, sites, quotas, declaring replicas bad, other people's rules.
"""

from typing import TYPE_CHECKING, Any, Union

from rucio.common.types import InternalAccount
from rucio.core import account, account_limit, rse, rule
from rucio.core.permission import generic
from rucio.core.rse_expression_parser import parse_expression
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from rucio.core.permission import PermissionResult

_BY_QUOTA = ("add_replicas", "update_replicas_states")
_BY_OWNER = ("update_rule", "del_rule")
_READ = ("get_request_history_by_did", "get_request_by_did", "list_requests", "list_requests_history")
_HARMLESS = {"lifetime", "comment", "purge_replicas", "activity"}  # options of a rule that its owner may change
_LONGEST = "maximum_rule_lifetime"  # attribute of a site


def has_permission(
    issuer: InternalAccount, action: str, kwargs: dict[str, Any], session: Session
) -> Union[bool, "PermissionResult"]:
    """Whether an account may do something; Rucio asks for each request.

    Parameters
    ----------
    issuer : InternalAccount
        Who asks.
    action : str
        What, by Rucio's name for it.
    kwargs : dict
        With what.
    session : Session
        Of the database.
    """
    if generic.has_permission(issuer=issuer, action=action, kwargs=kwargs, session=session):
        return action != "add_rule" or _may_last(issuer, kwargs["rse_expression"], kwargs["lifetime"], session)
    if action in _READ:
        return True
    if action in _BY_QUOTA:
        site = kwargs.get("rse_id")
        return bool(site and account_limit.get_local_account_limit(issuer, session=session, rse_ids=site))
    if action in _BY_OWNER:
        options = kwargs.get("options") or {}
        held = rule.get_rule(kwargs["rule_id"], session=session)
        if held["account"] != issuer or not set(options) <= _HARMLESS:
            return False
        return "lifetime" not in options or _may_last(issuer, held["rse_expression"], options["lifetime"], session)
    return False


def _may_last(
    issuer: InternalAccount, rse_expression: str, lifetime: int | None, session: Session
) -> Union[bool, "PermissionResult"]:
    """Whether a rule may last so many seconds, or for ever, wherever it may lead."""
    from rucio.core.permission import PermissionResult  # which loads this module when it is imported

    if account.has_account_attribute(issuer, "admin", session=session) or issuer.external == "root":
        return True
    for site in parse_expression(rse_expression, session=session):
        longest = rse.list_rse_attributes(site["id"], session=session).get(_LONGEST)
        if longest is not None and (lifetime is None or lifetime > int(longest)):
            days = f"{int(longest) / 86400:.3g} d"
            return PermissionResult(False, f"Rules at {site['rse']} end after {days} at most: give a lifetime")
    return True
