"""Answers about the fleet: its hosts, and the policies that hold for them."""

from typing import Annotated

from msgspec import Meta

from temp_file_manager.service.api.answers.parts import Count, Number, Part

Ago = Annotated[float, Meta(description="Seconds, by the server's clock.")]


class FleetPolicy(Part):
    """What holds for a team's managers, or for scopes."""

    target: Annotated[str, Meta(description="team:NAME, or scope:PATTERN where * stands for anything.")]
    max_age: Annotated[Number | None, Meta(description="The most seconds that max_age may be.")]
    max_bytes: Annotated[Count | None, Meta(description="With more, the oldest files go before they are due.")]
    max_files: Annotated[Count | None, Meta(description="The same of records.")]
    paused: Annotated[bool, Meta(description="Whether nothing is swept.")]
    set_by: Annotated[str, Meta(description="The server's role that set it.")]
    set_at: float


class FleetHost(Part):
    """A manager, as it has told of itself."""

    scope: str
    host: str
    team: str
    records: Count
    bytes: Count | None
    overdue: Annotated[Number, Meta(description="Seconds for which the longest overdue record should have been gone.")]
    failures: Count
    max_age: Annotated[Number, Meta(description="As it is with policies in force.")]
    health: str
    version: str
    policy: Annotated[str, Meta(description="The targets of the policies in force there.")]
    swept_ago: Ago | None
    seen_ago: Ago
    reported_by: Annotated[str, Meta(description="The server's role that wrote this.")]
    missing: Annotated[bool, Meta(description="Whether it has not been seen for two minutes.")]


class FleetTotals(Part):
    """All hosts together."""

    hosts: Count
    missing: Count
    scopes: Count
    records: Annotated[Count, Meta(description="In all scopes, each counted once.")]
    bytes: Count
    late: Annotated[Count, Meta(description="Scopes with an overdue record.")]


class FleetView(Part):
    """What the server knows."""

    server: str
    totals: FleetTotals
    hosts: Annotated[list[FleetHost], Meta(description="The first in the order asked for.")]
    missing: Annotated[list[FleetHost], Meta(description="Not seen, the longest first.")]
    policies: list[FleetPolicy]


class Here(Part):
    """This manager."""

    scope: str
    host: str
    team: str | None
    policies: Annotated[list[FleetPolicy], Meta(description="Those in force here, as the server said last.")]


class Fleet(Part):
    """How the fleet is."""

    at: float
    set: Annotated[bool, Meta(description="Whether this manager reports to a server.")]
    here: Here
    trouble: Annotated[str, Meta(description="Why the server could not be asked; empty when it could.")]
    view: Annotated[FleetView | None, Meta(description="null: there is no server, or it could not be asked.")]
