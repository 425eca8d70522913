"""The routes of policies: of tenants, of job types, and of each tenant without its own."""

import logging
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from quart import Blueprint, request

from monoq import codec
from monoq.api.policy_schemas import NAMES, policy_json, read_policy, shown_value
from monoq.api.problems import Problem, field_errors
from monoq.job import TENANT_PATTERN, TYPE_PATTERN, timestamp
from monoq.policy import Scope
from monoq.store.policies import PolicyStore

log = logging.getLogger(__name__)

HISTORY_PAGE = 100


class ChangesRequest(BaseModel):
    """The query for the changes of a policy: a page of those before the version `cursor`."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(HISTORY_PAGE, ge=1, le=1000)
    cursor: int = Field(2**63 - 1, ge=1, lt=2**63)


def policies_blueprint(*, policies: PolicyStore) -> Blueprint:
    """The routes, over what they need."""
    blueprint = Blueprint("policies", __name__)

    async def get(scope: Scope, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": name} if name else {}
        shown["policy"] = policy_json(await policies.get(scope, name))
        if scope is Scope.TENANT:
            held = await policies.effective(name)
            shown["effective"] = {
                json_name: shown_value(json_name, held[field]) for json_name, field in NAMES.items()
            }
        return shown

    async def put(scope: Scope, name: str) -> dict[str, Any]:
        policy = read_policy(codec.loads(await request.get_data()), scope)
        before = await policies.replace(scope, name, policy)
        if before != policy:
            log.info(
                "policy of %s %s changed from %s to %s",
                scope,
                name,
                policy_json(before),
                policy_json(policy),
            )
        return await get(scope, name)

    async def delete(scope: Scope, name: str) -> dict[str, Any]:
        if before := await policies.replace(scope, name, {}):
            log.info("policy of %s %s removed; it was %s", scope, name, policy_json(before))
        return await get(scope, name)

    async def history(scope: Scope, name: str) -> dict[str, Any]:
        try:
            asked = ChangesRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        changes = await policies.history(scope, name, asked.cursor, asked.limit)
        return {
            "changes": [
                {
                    "version": version,
                    "at": timestamp(changed_at),
                    "before": policy_json(before),
                    "after": policy_json(after),
                }
                for version, changed_at, before, after in changes
            ],
            "nextCursor": changes[-1][0] if len(changes) == asked.limit else None,
        }

    actions = {"GET": get, "PUT": put, "DELETE": delete}

    def routes(scope: Scope, path: str, field: str, pattern: str) -> None:
        async def act(name: str = "") -> dict[str, Any]:
            _check(name, pattern, field)
            return await actions[request.method](scope, name)

        async def show_history(name: str = "") -> dict[str, Any]:
            _check(name, pattern, field)
            return await history(scope, name)

        blueprint.add_url_rule(path, f"{scope}", act, methods=list(actions))
        blueprint.add_url_rule(f"{path}/history", f"{scope} history", show_history)

    routes(Scope.TENANT, "/tenants/<name>", "tenantId", TENANT_PATTERN)
    routes(Scope.TYPE, "/types/<path:name>", "type", TYPE_PATTERN)
    routes(Scope.DEFAULT, "/defaults", "", "")
    return blueprint


def _check(name: str, pattern: str, field: str) -> None:
    if not re.search(pattern, name):
        raise Problem(422, f"{name!r} is not a valid name", [{"field": field, "message": pattern}])
