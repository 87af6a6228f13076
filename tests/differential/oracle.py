"""Answers, line by line, what scim2-models makes of a PATCH request or a filter.

Nothing of scimbridge is in here: an answer that agrees with ours was come to independently. The library runs under the
tolerances that it has for Entra itself, so that it and we speak of the same requests.
"""

import json
import sys
import traceback
from typing import Any

from pydantic import Field, ValidationError
from scim2_models import (
    Context,
    Email,
    EnterpriseUser,
    Group,
    PatchOp,
    SCIMException,
    ScimPolicy,
    SearchRequest,
    User,
)


class PlainEmail(Email):
    # The library demands a deliverable address and rewrites its domain; RFC 7643 §4.1.2 has a string here.
    value: str | None = None


class PlainUser(User[EnterpriseUser]):
    emails: list[PlainEmail] | None = Field(None)


MODELS = {"User": PlainUser, "Group": Group}

# A resource may hold what no schema defines, as ours may. A request may not name it: what is dropped in silence
# would be hard to tell from what was done.
OF_RESOURCES = ScimPolicy(unknown=ScimPolicy.Unknown.keep)
OF_REQUESTS = ScimPolicy(
    unknown=ScimPolicy.Unknown.forbid,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


def patched(model: Any, resource: Any, body: Any) -> dict[str, Any]:
    patch = PatchOp[model].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=OF_REQUESTS)
    patch.patch(resource, scim_policy=OF_REQUESTS)
    return {"document": resource.model_dump(scim_policy=OF_RESOURCES)}


def matched(model: Any, resource: Any, text: str) -> dict[str, Any]:
    # Only a search request looks at every attribute that a filter names before it evaluates any.
    search = SearchRequest[model].model_validate({"schemas": [str(SearchRequest.__schema__)], "filter": text})
    return {"matches": search.filter.match(resource, strict=True)}


def answer(question: dict[str, Any]) -> dict[str, Any]:
    model = MODELS[question["kind"]]
    try:
        resource = model.model_validate(question["resource"], scim_policy=OF_RESOURCES)
        if "patch" in question:
            return patched(model, resource, question["patch"])
        return matched(model, resource, question["filter"])
    except ValidationError as error:
        return {"refused": error.errors(include_url=False, include_input=False)[0]["msg"]}
    except SCIMException as error:
        return {"refused": str(error)}
    except Exception:  # The library fell over, which is neither a refusal nor an answer.
        return {"broken": traceback.format_exc(limit=-3)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
