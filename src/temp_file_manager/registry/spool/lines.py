"""Lines that a spool writes to the log."""

from temp_file_manager.logs import logger
from temp_file_manager.text import count, printable


def outage_began(address: str, file: str) -> None:
    """Say that a registry's server is out of reach, and where registrations wait."""
    logger.warning(f"{printable(address)} is out of reach: what is registered waits in {printable(file)}")


def outage_over(address: str, seconds: float) -> None:
    """Say that a registry's server answers again."""
    logger.info(f"{printable(address)} answers again, after {seconds:.0f} s")


def drained(records: int, file: str) -> None:
    """Say that what waited for a server is on record there."""
    logger.info(f"Put {count(records, 'record')} into the registry that waited in {printable(file)}")


def stuck(file: str, error: Exception) -> None:
    """Say why what waits for a server goes on waiting, though that answers."""
    logger.warning(f"What waits in {printable(file)} is not on record yet: {printable(str(error))}")
