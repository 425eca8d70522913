"""The route for autoscalers: how many slots are needed."""

from typing import Any

from pydantic import ValidationError
from quart import Blueprint, request

from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import ScalingRequest
from monoq.store.scaling import Scaling


def scaling_blueprint(*, scaling: Scaling) -> Blueprint:
    """The route, over what it needs."""
    blueprint = Blueprint("scaling", __name__)

    @blueprint.get("/scaling")
    async def needs() -> dict[str, Any]:
        try:
            asked = ScalingRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        needs = await scaling.needs(asked.target_wait_seconds)
        return {
            "targetWaitSeconds": asked.target_wait_seconds,
            "slots": sum(need.slots for need in needs),
            "types": [
                {
                    "type": need.type,
                    "slots": need.slots,
                    "waiting": need.waiting,
                    "running": need.running,
                    "meanRunSeconds": need.run_s,
                }
                for need in needs
            ],
        }

    return blueprint
