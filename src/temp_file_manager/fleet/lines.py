"""Log lines of the fleet: every line about its server and its policies is written here."""

from temp_file_manager.fleet.policy import Policies, Policy
from temp_file_manager.logs import logger
from temp_file_manager.text import printable


def in_force(policies: Policies) -> None:
    """Say which policies are in force from now on."""
    told = "; ".join(policy.words() for policy in policies.all)
    logger.info(f"Fleet policies in force: {printable(told) or 'none'}")


def unheeded(why: str) -> None:
    """Say which mark of a policy cannot be kept here, and why."""
    logger.warning(f"Fleet policy not kept: {printable(why)}")


def unreadable() -> None:
    """Say that what is on record of policies cannot be read."""
    logger.warning("The fleet policies on record cannot be read here: none is in force until the server tells them")


def paused(policy: Policy) -> None:
    """Say that a sweep is left out."""
    logger.info(f"No sweep: paused by fleet policy {printable(policy.words())}")


def lost(error: Exception) -> None:
    """Say that the fleet's server cannot be asked, once until it answers."""
    logger.warning(
        f"The fleet's server cannot be asked; sweeps go on, by the policies known last: {printable(str(error))}"
    )


def found() -> None:
    """Say that the fleet's server answers again."""
    logger.info("The fleet's server answers again")
