"""``temp-file-manager run`` as a process, with millions of records of which none is due: its weight and its answers."""

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import durable
from benchmarks.measures import Plan
from benchmarks.tables import Table, quantile
from temp_file_manager import TempFileManager
from temp_file_manager.records import NewFile

TOKEN = "only-for-this-benchmark"
WARM, ASKED = 20, 200
CLIENTS, BATCH = 8, 500
IDLE, SHORT_IDLE = 60.0, 1.0
PATIENCE = 240.0
PATHS = ("/health", "/metrics", "/", "/v1/overview")
RESIDENT, PEAK, CPU = "resident memory, MiB", "its peak, outlooks included, MiB", "CPU while nobody asks, % of a core"
REGISTERING = f"registering over the Unix socket, {CLIENTS} clients, files/s"
REMARKS = (
    f"One process over a Unix socket; {ASKED} requests of each kind, one after the other, from connect to first byte.",
    f"Registering: {CLIENTS} clients at once, {BATCH} files a request, each acknowledged when it is on the disk.",
)


def answer_name(path: str) -> str:
    """Return the name of the row for a path."""
    return f"{path}, ms"


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Service:
    """One that runs."""

    process: subprocess.Popen[bytes]
    socket: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
        """Return the seconds until the first byte of the answer, and the answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        with closing(_Connection(self.socket)) as connection:
            began = perf_counter()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            waited = perf_counter() - began
            content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {content[:200].decode()}")
        return waited, content

    def memory(self, field: str) -> float:
        """Return a field of the process's status, in MiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            (line,) = (line for line in file if line.startswith(f"{field}:"))
        return int(line.split()[1]) / 1024

    def cpu(self) -> float:
        """Return the seconds of a core that it has used."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(base: str) -> Iterator[Service]:
    """Start the service on a base directory, and end it."""
    with TemporaryDirectory() as folder:  # a socket's path may have 107 bytes
        yield from _started(base, os.path.join(folder, "socket"))


def _started(base: str, address: str) -> Iterator[Service]:
    variables = {
        "TEMP_FILE_BASE_DIR": base,
        "TEMP_FILE_HTTP_SOCKET": address,
        "TEMP_FILE_API_TOKEN": TOKEN,
        "TEMP_FILE_MAX_AGE": "1e6",
        "LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "temp_file_manager", "run"], env=os.environ | variables, stdout=subprocess.DEVNULL
    )
    try:
        service = Service(process, address)
        _until_up(service)
        yield service
        process.terminate()
        if process.wait(PATIENCE):
            raise RuntimeError(f"the service ended with exit code {process.returncode}")
    finally:
        process.kill()
        process.wait()


def _until_up(service: Service) -> None:
    deadline = time.monotonic() + PATIENCE
    while service.process.poll() is None and time.monotonic() < deadline:
        try:
            service.ask("GET", "/livez")
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the service does not answer")


def service(plan: Plan) -> Table:
    """Weigh it, ask it, leave it alone; then register files with it, from several clients at once."""
    columns = {"name": f"with {plan.served:,} records", "median": "median", "p99": "p99", "note": "note"}
    try:
        rows = _figures(plan)
    except (OSError, RuntimeError, ValueError) as error:  # without the extra, or without /proc
        rows = [{"name": RESIDENT, "median": None, "note": f"failed: {error}"}]
    return Table("service", "The service", columns, rows, REMARKS)


def _figures(plan: Plan) -> list[dict[str, Any]]:
    with durable.opened(plan.scratch) as manager:
        _fill(manager, plan.served)
        base = manager.base_dir
    with running(base) as one:
        for path in PATHS:
            _asked(one, path, WARM)
        resident = one.memory("VmRSS")
        rows = [_answered(one, path) for path in PATHS]
        rows.append(_idle(one, SHORT_IDLE if plan.served < 10**6 else IDLE))
        rows.append({"name": "/v1/outlook, ms", "median": one.ask("GET", "/v1/outlook")[0] * 1e3})
        weighed = [{"name": RESIDENT, "median": resident}, {"name": PEAK, "median": one.memory("VmHWM")}]
    return weighed + rows + [_registering(plan)]


def _fill(manager: TempFileManager, count: int) -> None:
    """Put files on record that are nowhere: of many sizes, in many directories, two of three with a ttl."""
    now = time.time()

    def record(number: int) -> NewFile:
        due_at = now + 10**5 + number if number % 3 else None
        return f"/nowhere/{number % 100:02}/report-{number:08}.csv", due_at, number * 7919 % 10**6, (), None, None

    for first in range(0, count, durable.BATCH):
        numbers = range(first, min(first + durable.BATCH, count))
        manager.registry.add(map(record, numbers), now - 100 + first / count)


def _asked(one: Service, path: str, times: int) -> list[float]:
    return sorted(one.ask("GET", path)[0] * 1e3 for _ in range(times))


def _answered(one: Service, path: str) -> dict[str, Any]:
    waited = _asked(one, path, ASKED)
    return {"name": answer_name(path), "median": statistics.median(waited), "p99": quantile(waited, 0.99)}


def _idle(one: Service, seconds: float) -> dict[str, Any]:
    began, used = perf_counter(), one.cpu()
    threading.Event().wait(seconds)
    return {"name": CPU, "median": 100 * (one.cpu() - used) / (perf_counter() - began)}


def _registering(plan: Plan) -> dict[str, Any]:
    """Register real files in a base directory of their own, as the API takes no others."""
    rates = []
    for _ in range(plan.rounds):
        with durable.opened(plan.scratch) as manager:
            base = manager.base_dir
        names = [os.path.join(base, f"{number:06}") for number in range(max(CLIENTS, plan.files // BATCH * BATCH))]
        for name in names:
            with open(name, "wb"):
                pass
        bodies = [json.dumps({"paths": names[at : at + BATCH]}).encode() for at in range(0, len(names), BATCH)]
        with running(base) as one, ThreadPoolExecutor(CLIENTS) as clients:
            began = perf_counter()
            answers = list(clients.map(lambda body: one.ask("POST", "/v1/files", body)[1], bodies))
            rates.append(len(names) / (perf_counter() - began))
        acknowledged = sum(json.loads(answer)["registered"] for answer in answers)
        if acknowledged != len(names):
            raise RuntimeError(f"{acknowledged:,} of {len(names):,} files were registered")
    return {"name": REGISTERING, "median": statistics.median(rates), "samples": rates}
