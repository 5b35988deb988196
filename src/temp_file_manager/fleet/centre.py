"""The centre: the server that hosts report to, as one process asks it."""

from dataclasses import dataclass
from typing import Any

from temp_file_manager.errors import RegistryError
from temp_file_manager.fleet.host import SEEN, Host, Report, Totals
from temp_file_manager.fleet.policy import Policies, Policy
from temp_file_manager.registry.postgres.server import PATIENCE, Row, Server
from temp_file_manager.registry.postgres.sql import load_fleet_statements
from temp_file_manager.registry.schemes import PASSWORD_FILE, open_server, parse
from temp_file_manager.settings import Settings

BY_OVERDUE, BY_BYTES, MISSING = "hosts_by_overdue", "hosts_by_bytes", "hosts_missing"
"""Orders of hosts: the longest overdue first, the largest first; those alone that are missed, the longest first."""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the journal of policies.

    Attributes:
        at: When, seconds since the epoch on the server's clock.
        target: Whose policy.
        changed_by: The role that changed it.
        policy: As it is from then on; None: it was cleared.
    """

    at: float
    target: str
    changed_by: str
    policy: Policy | None


class Centre:
    """Asks the server. It holds no connection between two questions: so a thousand hosts hold none.

    Args:
        server: Where it is; not used for anything else.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sql = load_fleet_statements()

    @property
    def where(self) -> str:
        """The server and the database, as they may be shown."""
        return self._server.where

    def report(self, report: Report) -> Policies:
        """Write a manager's row, and return the policies that are about it: one round trip.

        Raises:
            RegistryError: the server does not answer, or refuses.
        """
        return Policies(tuple(Policy(*row) for row in self._ask("report", **report.bound())))

    def leave(self, scope: str, host: str) -> None:
        """Take a manager's row back.

        Raises:
            RegistryError: as ``report``; also below.
        """
        self._ask("leave", scope=scope, host=host)

    def hosts(self, order: str, limit: int) -> tuple[Host, ...]:
        """Return rows in one of the orders."""
        return tuple(Host(*row) for row in self._ask(order, limit=limit, seen=SEEN))

    def totals(self) -> Totals:
        """Return what all rows make together."""
        return Totals(*self._ask("fleet_totals", seen=SEEN)[0])

    def policies(self) -> Policies:
        """Return all policies."""
        return Policies(tuple(Policy(*row) for row in self._ask("policies")))

    def set(self, policy: Policy) -> Policy:
        """Set a policy in place of the target's former one, and return it as it is on record."""
        wanted = {name: getattr(policy, name) for name in ("target", "max_age", "max_bytes", "max_files", "paused")}
        return Policy(*self._ask("set_policy", **wanted)[0])

    def clear(self, target: str) -> bool:
        """Clear a target's policy; say whether there was one."""
        return bool(self._ask("clear_policy", target=target)[0][0])

    def journal(self, limit: int) -> tuple[Change, ...]:
        """Return the last changes of policies, the newest first."""
        return tuple(
            Change(at, target, by, None if policy is None else Policy(**policy))
            for at, target, by, policy in self._ask("policy_journal", limit=limit)
        )

    def backlog(self, scope: str) -> int:
        """Return how many records of a scope are due, as what scales sweepers asks."""
        return int(self._ask("backlog", scope=scope)[0][0])

    def _ask(self, statement: str, **bound: Any) -> list[Row]:
        try:
            return self._server.writer.execute(self._sql[statement], bound, longest=PATIENCE)
        except RegistryError:
            if self._server.schema is not None:
                self._server.refuse_older()  # which says what to run, where that was it
            raise
        finally:
            self._server.close()


def centre_of(settings: Settings) -> Centre:
    """Return the server that a manager with these settings reports to, not yet asked anything.

    Its password comes as that of a registry does.

    Raises:
        RegistryError: there can be none at that address, or its driver is not there.
    """
    address = parse(settings.fleet or "", settings.base_dir)
    return Centre(open_server(address, {PASSWORD_FILE: settings.registry_password_file or ""}))
