"""The view of a fleet: all hosts in some order, those that are missed, and the policies."""

from dataclasses import dataclass
from importlib.util import find_spec

from temp_file_manager.errors import RegistryError
from temp_file_manager.fleet.host import Host, Totals
from temp_file_manager.fleet.policy import Policies
from temp_file_manager.registry.schemes import parse
from temp_file_manager.settings import Settings

OVERDUE, BYTES = "overdue", "bytes"
"""What hosts may be ordered by, what is most first."""


@dataclass(frozen=True, slots=True)
class View:
    """How a fleet is.

    Attributes:
        server: Where it reports to, as that may be shown.
        totals: All hosts together.
        hosts: The first of them in the order asked for.
        missing: Those that have not been seen, the longest first.
        policies: All there are.
    """

    server: str
    totals: Totals
    hosts: tuple[Host, ...]
    missing: tuple[Host, ...]
    policies: Policies

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "server": self.server,
            "totals": self.totals.described(),
            "hosts": [host.described() for host in self.hosts],
            "missing": [host.described() for host in self.missing],
            "policies": [policy.described() for policy in self.policies.all],
        }


def look(settings: Settings, order: str = OVERDUE, limit: int = 100) -> View:
    """Return how a fleet is.

    Args:
        settings: They name its server.
        order: ``OVERDUE`` or ``BYTES``.
        limit: So many hosts at most, and so many of those missing.

    Raises:
        RegistryError: the server does not answer, or refuses.
    """
    from temp_file_manager.fleet.centre import BY_BYTES, BY_OVERDUE, MISSING, centre_of  # noqa: PLC0415 - its driver is of an extra

    centre = centre_of(settings)
    hosts = centre.hosts(BY_BYTES if order == BYTES else BY_OVERDUE, limit)
    return View(centre.where, centre.totals(), hosts, centre.hosts(MISSING, limit), centre.policies())


def refusal(address: str | None) -> str:
    """Return why no fleet can be asked, and what to do; empty when one can, or none is meant to be."""
    if address is None:
        return ""
    try:
        parse(address, "/")
    except RegistryError as error:
        return f"fleet cannot be used: {error}"
    # Asked for by name: to import it takes longer than most commands.
    return "" if find_spec("psycopg") else "fleet needs psycopg: pip install 'temp-file-manager[postgres]'"
