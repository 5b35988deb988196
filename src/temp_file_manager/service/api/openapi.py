"""The description of the API, made from the table of operations and the models."""

import json
import re
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from temp_file_manager.service.api import models
from temp_file_manager.service.api.answers import files, parts
from temp_file_manager.service.api.operations import OPERATIONS, PROBLEM, Answer, Operation
from temp_file_manager.service.http.json import dumped
from temp_file_manager.version import VERSION

Json = dict[str, Any]

REFUSALS = {
    400: ("Malformed", "The body is no JSON."),
    401: ("Unauthorized", "The token is missing, or is another one."),
    403: (
        "Forbidden",
        "The request comes from another site's page, or no token is set, so that nothing can be changed.",
    ),
    404: ("NotFound", "There is no such thing."),
    408: ("TooSlow", "The body did not come in time."),
    409: (
        "Conflict",
        "A change of settings makes the sweep unusually large, a policy of the fleet has paused sweeps, or a sweep is "
        "at work on one of the files; nothing was changed.",
    ),
    413: ("TooLarge", "The body is larger than 4 MiB."),
    415: ("NotJson", "The body is not sent as application/json."),
    421: ("Misdirected", "The service does not go by the name in the Host header."),
    422: ("Meaningless", "Something in the request means nothing; the detail says what."),
    500: ("Failed", "A fault of the service; its log says which."),
    503: ("Unavailable", "The registry cannot be used just now, or too many listen."),
    507: ("Full", "The registry's disk is full; not all was recorded: send it all again."),
}
"""By status, the name of an answer that says no, and when it does."""

OF_ALL = (403, 421, 500)
OF_BODIES = (400, 408, 413, 415, 422)
OF_QUERIES = (422,)

IN_PATHS = {
    "name": {"type": "string", "minLength": 1},
    "number": {"type": "integer", "minimum": 1, "maximum": models.LARGEST_NUMBER},
}
"""Schemas of what paths have in braces."""

INFO = {
    "title": "temp-file-manager",
    "version": VERSION,
    "summary": "Temp-file cleanup that knows which files are whose, and explains every keep and every delete.",
    "description": "Times are seconds since the epoch, sizes are bytes. JSON has no number for infinity: it comes as a "
    "string. On a loopback address or a Unix socket everybody who can connect may read; elsewhere reading takes the "
    "token or the cookie. Changing anything always takes the token. Every answer to GET is one to HEAD, without the "
    "body.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "TEMP_FILE_API_TOKEN."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "temp_file_manager",
        "description": "From POST /login; for reading.",
    },
}


@cache
def written() -> bytes:
    """Return the description as it is served."""
    return dumped(document())


def document() -> Json:
    """Return the description."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    components = {
        "securitySchemes": SECURITY_SCHEMES,
        "responses": {name: _refusal(status, text) for status, (name, text) in REFUSALS.items()},
        "schemas": _schemas(list(dict.fromkeys(_models()))),
    }
    return {"openapi": "3.1.0", "info": INFO, "servers": [{"url": "/"}], "paths": paths, "components": components}


def _models() -> Iterator[type[Struct]]:
    yield from (parts.Problem, files.KnownFile, files.UnknownFile)
    for operation in OPERATIONS:
        if operation.body is not None:
            yield operation.body
        for answer in operation.answers.values():
            yield from answer.json


def _schemas(those: list[type[Struct]]) -> Json:
    found = msgspec.json.schema_components(those, ref_template=models.REFERENCE)[1]
    for model in those:
        if issubclass(model, models.Model):
            found[model.__name__] |= model.schema_extra
    return found


def _operation(operation: Operation) -> Json:
    told: Json = {"operationId": operation.name, "summary": operation.summary, "tags": [operation.tag]}
    if operation.description:
        told["description"] = operation.description
    told["security"] = operation.security
    parameters = [*_in_path(operation.path), *_in_query(operation.query)]
    if parameters:
        told["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": models.reference(operation.body)}}
        told["requestBody"] = {"required": True, "content": content}
    told["responses"] = _answers(operation)
    return told


def _in_path(path: str) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": IN_PATHS[name]}


def _in_query(model: type[Struct] | None) -> Iterator[Json]:
    if model is None:
        return
    schema = _schemas([model])[model.__name__]
    for name, one in schema["properties"].items():
        description = one.pop("description")
        told = {"name": name, "in": "query", "required": name in schema["required"]}
        yield told | {"schema": one, "description": description}


def _answers(operation: Operation) -> Json:
    found = {status: _answer(answer) for status, answer in operation.answers.items()}
    of_bodies = () if operation.body is None else OF_BODIES
    of_queries = () if operation.query is None else OF_QUERIES
    for status in (*OF_ALL, *of_bodies, *of_queries, *operation.refused):
        found[status] = {"$ref": f"#/components/responses/{REFUSALS[status][0]}"}
    return {str(status): found[status] for status in sorted(found)}


def _answer(answer: Answer) -> Json:
    told: Json = {"description": answer.description}
    content = dict(answer.other)
    if answer.json:
        those = [models.reference(model) for model in answer.json]
        content["application/json"] = {"schema": those[0] if len(those) == 1 else {"oneOf": those}}
    if content:
        told["content"] = content
    if answer.header:
        told["headers"] = _header(answer.header)
    return told


def _refusal(status: int, description: str) -> Json:
    told: Json = {"description": description, "content": PROBLEM}
    return told | {"headers": _header("WWW-Authenticate")} if status == HTTPStatus.UNAUTHORIZED else told


def _header(name: str) -> Json:
    return {name: {"schema": {"type": "string"}}}


if __name__ == "__main__":
    print(json.dumps(document(), indent=2))
