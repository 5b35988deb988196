"""The state of all: for probes, for Prometheus, for the page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from temp_file_manager.adopt.watched import watched
from temp_file_manager.context import Context
from temp_file_manager.inspection import describe, health, metrics, overview
from temp_file_manager.inspection.health import Grade
from temp_file_manager.inspection.limits import readings
from temp_file_manager.inspection.rules import REST, rules
from temp_file_manager.service.api import requests
from temp_file_manager.service.api.models import NoQuery, SamplesQuery, SweepsQuery
from temp_file_manager.service.http.cached import Shared
from temp_file_manager.service.http.guard import READS
from temp_file_manager.service.http.json import as_json
from temp_file_manager.sweeping.rule_notes import held

LEAST_REST = 5.0
"""Seconds for which an outlook is good at least."""


class Probes:
    """``/livez``, ``/readyz`` and ``/metrics``.

    Args:
        context: Who is asked.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._collector = metrics.ManagerCollector(context)

    async def live(self, request: Request) -> Response:
        """Say whether a restart would help, which only a dead scheduler is reason for."""
        del request
        dead = self._context.scheduler.alive is False
        return PlainTextResponse("the scheduler is dead\n" if dead else "ok\n", 503 if dead else 200)

    async def ready(self, request: Request) -> Response:
        """Say how it is, in a word."""
        del request
        found = await run_in_threadpool(health.examine, self._context)
        return PlainTextResponse(f"{found.status}\n", _code(found.status))

    async def metrics(self, request: Request) -> Response:
        """Answer what Prometheus reads."""
        del request
        text = await run_in_threadpool(metrics.render, self._collector)
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})


class Looks:
    """``/health``, and what the page shows.

    Args:
        context: Who is asked.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._outlook = Shared(lambda: overview.outlook(context), lambda took: max(LEAST_REST, overview.REST * took))
        self._rules = Shared(self._all_rules, lambda took: max(LEAST_REST, REST * took))

    async def health(self, request: Request) -> Response:
        """Answer how it is and what to do; to strangers only the first."""
        found = await run_in_threadpool(health.examine, self._context)
        told = found.described() if request.scope[READS] else {"status": str(found.status)}
        return as_json(told, _code(found.status))

    async def overview(self, request: Request) -> Response:
        """Answer what the page shows at a glance."""
        requests.query(request, NoQuery)
        return as_json(await run_in_threadpool(overview.overview, self._context))

    async def limits(self, request: Request) -> Response:
        """Answer how far it is to each limit."""
        requests.query(request, NoQuery)
        return as_json(await run_in_threadpool(self._limits))

    def _limits(self) -> dict[str, object]:
        return describe.limits(readings(self._context), self._context.measuring.age())

    async def rules(self, request: Request) -> Response:
        """Answer which rules there are, and how many files each decides about."""
        requests.query(request, NoQuery)
        return as_json(await self._rules.get())

    def _all_rules(self) -> dict[str, object]:
        found = rules(self._context, [one.directory for one in watched(self._context)])
        return {
            "asof": self._context.clock.wall(),
            "held": held(self._context.registry),
            "rules": [one.described() for one in found],
        }

    async def outlook(self, request: Request) -> Response:
        """Answer what will be due when."""
        requests.query(request, NoQuery)
        return as_json(await self._outlook.get())

    async def samples(self, request: Request) -> Response:
        """Answer how many records there were, over time."""
        asked = requests.query(request, SamplesQuery)
        found = await run_in_threadpool(self._context.history.samples, asked.step, asked.since)
        return as_json({"step": asked.step, "samples": found})

    async def sweeps(self, request: Request) -> Response:
        """Answer what the last sweeps did."""
        found = await run_in_threadpool(self._context.history.sweeps, requests.query(request, SweepsQuery).limit)
        return as_json({"sweeps": [sweep.described() for sweep in found]})


def _code(status: Grade) -> int:
    return 503 if status is Grade.UNHEALTHY else 200
