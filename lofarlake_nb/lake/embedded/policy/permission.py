"""What an account may do that is no administrator, beyond Rucio's generic policy.

The generic policy keeps registering replicas, and changing rules, for administrators. Here, as on lakes where
astronomers bring their own data:

- who has a quota at a site may register replicas there, and say that they are complete;
- who made a rule may change its lifetime, or end it;
- everybody may read what became of a transfer, so that `lofarlake rules` can say why a file is stuck.

All else stays: scopes, sites, quotas, declaring replicas bad, other people's rules.
"""

from typing import Any

from rucio.common.types import InternalAccount
from rucio.core import account_limit, rule
from rucio.core.permission import generic
from sqlalchemy.orm import Session

_BY_QUOTA = ("add_replicas", "update_replicas_states")
_BY_OWNER = ("update_rule", "del_rule")
_READ = ("get_request_history_by_did", "get_request_by_did", "list_requests", "list_requests_history")
_HARMLESS = {"lifetime", "comment", "purge_replicas", "activity"}  # options of a rule that its owner may change


def has_permission(issuer: InternalAccount, action: str, kwargs: dict[str, Any], session: Session) -> bool:
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
        return True
    if action in _READ:
        return True
    if action in _BY_QUOTA:
        site = kwargs.get("rse_id")
        return bool(site and account_limit.get_local_account_limit(issuer, session=session, rse_ids=site))
    if action in _BY_OWNER:
        wanted = set(kwargs.get("options") or {})
        return wanted <= _HARMLESS and rule.get_rule(kwargs["rule_id"], session=session)["account"] == issuer
    return False
