"""Addresses that the service listens at, and the words when it cannot."""

import os
import socket

from temp_file_manager.errors import SettingsError
from temp_file_manager.settings import variable
from temp_file_manager.storage.kernel import unix_socket
from temp_file_manager.storage.kernel.unix_socket import Listening
from temp_file_manager.text import printable

BACKLOG = 128
"""Connections that wait to be taken; also how many asyncio takes, or fails to take, before it does anything else."""


def listen_at_path(path: str) -> Listening:
    """Return the Unix socket of page and API.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        return unix_socket.listen(os.path.abspath(path), BACKLOG)
    except OSError as error:
        why = f"{error.strerror} ({printable(path)})"
        raise SettingsError([f"{variable('http_socket')}: cannot listen there: {why}"]) from error


def listen_at_port(host: str, port: int) -> socket.socket:
    """Return the socket of page and API.

    Args:
        host: Its name or address.
        port: 0 for any that is free.

    Raises:
        SettingsError: there is no such host, or it cannot listen there.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        names = f"{variable('http_host')} {host}, {variable('http_port')} {port}"
        raise SettingsError([f"{names}: cannot listen there: {error.strerror or error}"]) from error


def listen_everywhere(port: int) -> socket.socket:
    """Return the socket of the metrics: on all interfaces, of both kinds where there are both.

    Raises:
        SettingsError: it cannot listen there.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        return socket.create_server(("", port), backlog=BACKLOG)
    except OSError as error:
        raise SettingsError([f"{variable('prometheus_port')} {port}: cannot listen there: {error.strerror}"]) from error
