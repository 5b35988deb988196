"""Keys, as terminals send them."""

import re

UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END = "up", "down", "page up", "page down", "home", "end"
ENTER, ESCAPE, ERASE = "enter", "escape", "erase"

# Terminals send one form or the other, by a mode that programs before may have left on.
_SEQUENCES = {
    "\x1b[A": UP,
    "\x1bOA": UP,
    "\x1b[B": DOWN,
    "\x1bOB": DOWN,
    "\x1b[5~": PAGE_UP,
    "\x1b[6~": PAGE_DOWN,
    "\x1b[H": HOME,
    "\x1bOH": HOME,
    "\x1b[1~": HOME,
    "\x1b[F": END,
    "\x1bOF": END,
    "\x1b[4~": END,
    "\x1b": ESCAPE,
    "\r": ENTER,
    "\n": ENTER,
    "\x7f": ERASE,
    "\b": ERASE,
}
_KEY = re.compile("\x1b[\\[O][?0-9;]*[A-Za-z~]|.", re.DOTALL)


def typed(data: bytes) -> list[str]:
    """Return the keys that were pressed, by name or as the character they stand for; what is neither is left out."""
    keys = (_SEQUENCES.get(found, found) for found in _KEY.findall(data.decode(errors="ignore")))
    return [key for key in keys if key.isprintable()]
