"""Addresses of registries on PostgreSQL: ``postgresql://[USER@]HOST[:PORT]/DATABASE[?OPTION=VALUE&…]``."""

import ipaddress
import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from urllib.parse import unquote

from temp_file_manager.errors import RegistryError

FORM = "postgresql://[USER@]HOST[:PORT]/DATABASE"

SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})

_KNOWN = (
    "application_name channel_binding connect_timeout dbname gssencmode host hostaddr keepalives keepalives_count "
    "keepalives_idle keepalives_interval krbsrvname load_balance_hosts max_protocol_version options passfile port "
    "require_auth requirepeer service ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcrl "
    "sslcrldir sslkey sslmode sslnegotiation sslrootcert sslsni target_session_attrs tcp_user_timeout user"
)
OPTIONS = frozenset(_KNOWN.split())
"""What libpq reads, but for secrets."""

_REFUSAL = (
    "a registry's address holds no password: give the file it is in as TEMP_FILE_REGISTRY_PASSWORD_FILE, or use "
    "PGPASSFILE or a service file"
)


def read(rest: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what an address says, by libpq's words; opens nothing and asks nobody.

    Args:
        rest: What follows ``postgresql:``.
        environ: Where libpq finds what the address does not say.

    Raises:
        RegistryError: it is none. The message shows nothing of it, as it may hold a password.
    """
    if not rest.startswith("//"):
        raise RegistryError(f"postgresql: takes an address after it: write {FORM}")
    place, _, query = rest[2:].partition("?")
    authority, _, database = place.partition("/")
    user, _, hosts = authority.rpartition("@")
    if ":" in user or "@" in database:
        raise RegistryError(_REFUSAL)
    found = {"user": unquote(user), **_hosts(hosts), "dbname": unquote(database), **_options(query)}
    found = {name: value for name, value in found.items() if value}
    if "dbname" not in found and "service" not in found:
        raise RegistryError(f"postgresql: names no database: write {FORM}")
    if "sslmode" not in found and not _is_near(found, environ):
        found["sslmode"] = "verify-full"
    return found


def _hosts(text: str) -> dict[str, str]:
    hosts, ports = [], []
    for each in text.split(","):
        bracketed, end, port = each.rpartition("]")
        if end:  # an IPv6 address
            host, port = bracketed.removeprefix("["), port.removeprefix(":")
        else:
            host, _, port = each.partition(":")
        if port and not (port.isascii() and port.isdigit()):  # or it is the end of a password with a slash in it
            raise RegistryError(f"the port in a registry's address is a number: write {FORM}")
        hosts.append(unquote(host))
        ports.append(port)
    return {"host": ",".join(hosts) if any(hosts) else "", "port": ",".join(ports) if any(ports) else ""}


def _options(query: str) -> dict[str, str]:
    said = {}
    for pair in query.split("&") if query else ():
        name, given, value = pair.partition("=")
        if name in SECRETS:
            raise RegistryError(_REFUSAL)
        if name not in OPTIONS or not given:
            raise RegistryError(f"what follows the ? of a registry's address is OPTION=VALUE, with & between: {_KNOWN}")
        said[name] = unquote(value)
    return said


def _is_near(said: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Say whether what is said reaches only this machine, or leaves TLS to a service file that says it."""
    known = {**_service(said.get("service") or environ.get("PGSERVICE", ""), environ), **said}
    if "sslmode" in known:
        return True
    hosts = known.get("hostaddr") or environ.get("PGHOSTADDR") or known.get("host") or environ.get("PGHOST") or ""
    return all(map(_is_here, hosts.split(",")))


def _is_here(host: str) -> bool:
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _service(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the service file says of a service; nothing if there is none, of which libpq will tell."""
    if not name:
        return {}
    own = environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")
    system = os.path.join(environ.get("PGSYSCONFDIR", "/etc/postgresql-common"), "pg_service.conf")
    for path in (own, system):
        reader = ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
        try:
            reader.read(path, encoding="utf-8")
        except (ConfigError, ValueError):
            continue
        if reader.has_section(name):
            return dict(reader.items(name))
    return {}


def shown(said: Mapping[str, str]) -> str:
    """Return an address as it may be shown: without its user, and with what tells one database from another."""
    if "service" in said:
        return f"postgresql:///?service={said['service']}"
    hosts, ports = said.get("host", "").split(","), said.get("port", "").split(",")
    if hosts[0].startswith("/"):
        port = f"&port={ports[0]}" if ports[0] else ""
        return f"postgresql:///{said.get('dbname', '')}?host={hosts[0]}{port}"
    ports += ports[-1:] * (len(hosts) - len(ports))
    places = (
        f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
        for host, port in zip(hosts, ports, strict=False)
    )
    return f"postgresql://{','.join(places)}/{said.get('dbname', '')}"
