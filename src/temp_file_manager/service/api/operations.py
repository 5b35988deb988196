"""The operations of the API in one table: the routes are made of it, and so is the description."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from temp_file_manager.service.api import models
from temp_file_manager.service.api.answers import (
    files,
    fleet,
    limits,
    looks,
    parts,
    quarantine,
    rules,
    sessions,
    story,
    sweeps,
)
from temp_file_manager.service.page.assets import KINDS, OTHER_KIND

Security = Sequence[Mapping[str, Sequence[str]]]
Content = Mapping[str, Mapping[str, object]]
"""By media type, as OpenAPI writes it."""

OPEN: Security = ()
READ: Security = ({}, {"bearer": ()}, {"cookie": ()})
CHANGE: Security = ({"bearer": ()},)

PROBES = "probes"

TEXT: Content = {"text/plain": {"schema": {"type": "string"}}}
PROBLEM: Content = {"application/problem+json": {"schema": models.reference(parts.Problem)}}


class Answer(NamedTuple):
    """An answer that an operation gives.

    Attributes:
        description: When, or what is in it.
        json: The models of which it may be one, in JSON.
        other: What it may be beside.
        header: One that it has for sure.
    """

    description: str
    json: tuple[type[Struct], ...] = ()
    other: Content = MappingProxyType({})
    header: str = ""


class Operation(NamedTuple):
    """A method of a path.

    Attributes:
        method: In capitals; HEAD goes with GET.
        path: As Starlette and OpenAPI both write it.
        name: By which programs know it.
        tag: Its group.
        summary: What it is for, in a few words.
        answers: By status.
        security: Who may.
        refused: The statuses with which it says no, beside those of every operation, of bodies and of queries.
        query: The model of its query; None: whatever the query says is ignored.
        body: The model of its body.
        description: What else there is to know.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    security: Security = OPEN
    refused: tuple[int, ...] = ()
    query: type[models.Model] | None = None
    body: type[models.Model] | None = None
    description: str = ""


OPERATIONS = (
    Operation(
        "GET", "/livez", "live", PROBES, "Is it alive",
        {200: Answer("It is.", other=TEXT), 503: Answer("The scheduler is dead.", other={**TEXT, **PROBLEM})},
    ),
    Operation(
        "GET", "/readyz", "ready", PROBES, "Is it well",
        {200: Answer("healthy or degraded.", other=TEXT), 503: Answer("unhealthy.", other={**TEXT, **PROBLEM})},
    ),
    Operation(
        "GET", "/metrics", "metrics", PROBES, "Metrics for Prometheus",
        {200: Answer("The metrics.", other=TEXT)}, refused=(503,),
    ),
    Operation(
        "GET", "/health", "health", "health", "How it is, and what to do",
        {
            200: Answer("healthy or degraded; to who may not read, the word alone.", (looks.Health, looks.Word)),
            503: Answer("unhealthy.", (looks.Health, looks.Word), PROBLEM),
        },
        READ,
    ),
    Operation(
        "GET", "/v1/files", "listFiles", "files", "What is on record",
        {
            200: Answer(
                "A page: the longest registered first, and after them those with a ttl, the one that ends next first.",
                (files.Page,),
            )
        },
        READ, (401, 404, 503), query=models.PageQuery,
    ),
    Operation(
        "POST", "/v1/files", "registerFiles", "files", "Put files on record",
        {200: Answer("What became of them; refused paths are no error.", (files.Registered,))},
        CHANGE, (401, 404, 503, 507), body=models.Registration,
        description="Files whose directory, links resolved, is the base directory or lies in it. Registering a file "
        "again restarts its age, and takes it out of its session.",
    ),
    Operation(
        "POST", "/v1/files/status", "statusOfFiles", "files", "What is known about files",
        {200: Answer("Each of them, in the order asked.", (files.Statuses,))},
        CHANGE, (401, 503), body=models.Paths,
    ),
    Operation(
        "POST", "/v1/files/forget", "forgetFiles", "files", "Take files off the record; the files stay",
        {200: Answer("How many there were.", (files.Forgotten,))},
        CHANGE, (401, 409, 503, 507), body=models.Paths,
    ),
    Operation(
        "GET", "/v1/files/why", "whyFile", "files", "The whole story of a file",
        {200: Answer("What keeps it or takes it, from when, and who has it open.", (story.Story,))},
        READ, (401, 404, 503), query=models.PathQuery,
    ),
    Operation(
        "POST", "/v1/sweep", "sweep", "sweeps", "Remove what is due",
        {200: Answer("What was done, or with dry_run would be.", (sweeps.Report,))},
        CHANGE, (401, 409, 503, 507), body=models.SweepOrder,
        description="Open files stay, if the settings say so; a clock that has jumped makes nothing due.",
    ),
    Operation(
        "GET", "/v1/sweeps", "listSweeps", "sweeps", "The last sweeps",
        {200: Answer("The newest first.", (sweeps.Sweeps,))}, READ, (401, 503), query=models.SweepsQuery,
    ),
    Operation(
        "GET", "/v1/sessions", "listSessions", "sessions", "The living sessions",
        {200: Answer("Each of them, and who owns it.", (sessions.Sessions,))},
        READ, (401, 503), query=models.NoQuery,
    ),
    Operation(
        "POST", "/v1/sessions", "beginSession", "sessions", "Begin a session, in which files have no age of their own",
        {200: Answer("The session: register files with its number.", (sessions.Session,))},
        CHANGE, (401, 503, 507), body=models.Beginning,
        description="No process owns it, as nothing tells over HTTP which process asks: it lives for its ttl, until it "
        "is renewed or ended.",
    ),
    Operation(
        "POST", "/v1/sessions/{number}/renew", "renewSession", "sessions", "Give a living session another end",
        {200: Answer("The session, whose files now live as long.", (sessions.Session,))},
        CHANGE, (401, 404, 503, 507), body=models.Renewal,
    ),
    Operation(
        "DELETE", "/v1/sessions/{number}", "endSession", "sessions", "End a session",
        {200: Answer("Its files are due now: the next sweep removes them.", (sessions.Ended,))},
        CHANGE, (401, 404, 503, 507),
    ),
    Operation(
        "GET", "/v1/quarantine", "listQuarantined", "quarantine", "What can be had back",
        {200: Answer("Files that were due, and are kept for a while.", (quarantine.Quarantined,))},
        READ, (401, 503), query=models.QuarantineQuery,
    ),
    Operation(
        "POST", "/v1/quarantine/restore", "restoreFile", "quarantine", "Bring a file back",
        {200: Answer("It is where it was, and on record anew.", (quarantine.Restored,))},
        CHANGE, (401, 404, 409, 503, 507), body=models.PathToRestore,
        description="To where it was, if that lies in the base directory; of several that were there, the last. "
        "Nothing is overwritten.",
    ),
    Operation(
        "GET", "/v1/limits", "listLimits", "looks", "How far it is to each limit",
        {200: Answer("As of now.", (limits.Limits,))}, READ, (401, 503), query=models.NoQuery,
    ),
    Operation(
        "GET", "/v1/rules", "listRules", "looks", "The rules, and how many files each decides about",
        {200: Answer("In their order, as of some time ago at most: all files are looked at.", (rules.Rules,))},
        READ, (401, 503), query=models.NoQuery,
    ),
    Operation(
        "GET", "/v1/overview", "overview", "looks", "Everything at a glance",
        {200: Answer("As of now.", (looks.Overview,))}, READ, (401, 503), query=models.NoQuery,
    ),
    Operation(
        "GET", "/v1/outlook", "outlook", "looks", "What will be due when",
        {200: Answer("A look at every record, at most some time old.", (looks.Outlook,))},
        READ, (401, 503), query=models.NoQuery,
    ),
    Operation(
        "GET", "/v1/fleet", "fleet", "fleet", "How all hosts are, and what policies hold",
        {200: Answer("At most some seconds old.", (fleet.Fleet,))},
        READ, (401, 503), query=models.FleetQuery,
    ),
    Operation(
        "GET", "/v1/samples", "samples", "looks", "How many files there were, over time",
        {200: Answer("The oldest first.", (looks.Samples,))}, READ, (401, 503), query=models.SamplesQuery,
    ),
    Operation(
        "GET", "/v1/events", "events", "looks", "The overview, every two seconds",
        {
            200: Answer(
                "Events named overview, whose data is an Overview; a comment when there is none for a while.",
                other={"text/event-stream": {"schema": {"type": "string"}}},
            )
        },
        READ, (401, 503),
    ),
    Operation(
        "POST", "/login", "signIn", "sign in", "A browser that knows the token gets a cookie, to read with",
        {204: Answer("The cookie is set.", header="Set-Cookie")}, refused=(401,), body=models.Token,
    ),
    Operation("DELETE", "/login", "signOut", "sign in", "Take the cookie back", {204: Answer("It is gone.")}),
    Operation(
        "GET", "/", "page", "page", "The page",
        {
            200: Answer("HTML.", other={"text/html": {"schema": {"type": "string"}}}),
            304: Answer("As the browser has it."),
        },
        refused=(404,),
    ),
    Operation(
        "GET", "/static/{name}", "static", "page", "A part of the page",
        {
            200: Answer("The file.", other={kind: {} for kind in (*KINDS.values(), OTHER_KIND)}),
            304: Answer("As the browser has it."),
        },
        refused=(404,),
    ),
    Operation(
        "GET", "/openapi.json", "openapi", "page", "This document",
        {200: Answer("OpenAPI 3.1.", other={"application/json": {"schema": {"type": "object"}}})},
    ),
)  # fmt: skip
