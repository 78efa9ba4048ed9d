"""A small Nimble API on loopback, for the tests and the demo: tasks, batches, results and job runs as documented.

    python scripts/servers/nimble_server.py --scenario FILE [--port N]

prints its address and serves until it is ended. FILE is a JSON object of the fields of Scenario; it is read again, and
everything starts over, whenever it changes. In Python: ``with NimbleApi(Scenario(...)) as api: … api.url …``.

Served under every path version of ``versions``: GET tasks, tasks/ID, tasks/ID/results, batches, batches/ID,
batches/ID/progress, jobs, jobs/ID/runs, jobs/runs/ID; POST extract/async and extract/batch.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass
class Scenario:
    """What the API knows, and how it misbehaves."""

    api_key: str = "demo-key"
    """The one key it accepts."""
    versions: list[str] = field(default_factory=lambda: ["v1", "v2"])
    """The path versions it routes."""
    page_size: int = 100
    """The most entries of one page, whatever the request asks for."""
    rate_limit: int | None = None
    """Requests per second above which it answers 429."""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    """Tasks; ``state`` is the final word."""
    batches: list[dict[str, Any]] = field(default_factory=list)
    """``id``, ``tasks`` (ids, nulls), ``looks``: how many looks at its progress it takes to complete (0: completed)."""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By task id: ``body`` or ``text``, and ``status``; a successful task without an entry has a small result."""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    """Jobs."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Runs: ``id``, ``job_id``, ``status``, ``summary`` …"""
    forbidden: list[str] = field(default_factory=list)
    """Ids of another account: 403."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """``path`` (a regular expression on the path below the version), ``times``, and the answer: ``status``,
    ``headers``, ``body`` or ``text``; ``drop``: close the connection instead."""
    looks: int = 3
    """Looks it takes a submitted batch to complete."""


@dataclass
class Reply:
    """An answer under way."""

    status: int
    body: bytes
    headers: dict[str, str]


def document(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


def failed(status: int, words: str, *, key: str = "error") -> Reply:
    return document({"status": "failed", key: words}, status)


class NimbleApi:
    """The server, in a thread of this process."""

    def __init__(self, scenario: Scenario | None = None, *, port: int = 0) -> None:
        self.lock = threading.RLock()
        self.load(scenario or Scenario())
        api = self

        class Handler(_Handler):
            served = api

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def load(self, scenario: Scenario) -> None:
        """Start over with ``scenario``."""
        with self.lock:
            self.scenario = scenario
            self.tasks = {str(task["id"]): task for task in scenario.tasks}
            self.batches: dict[str, dict[str, Any]] = {}
            self.places: dict[str, int] = {}
            for batch in scenario.batches:
                self.add_batch(batch)
            self.looked: Counter[str] = Counter()
            self.spent: Counter[int] = Counter()
            self.recent: deque[float] = deque()
            self.held: dict[str, float] = {}
            self.requests: list[str] = []
            """Method and target of every request, in order."""
            self.submissions: list[dict[str, Any]] = []
            """The bodies of what was submitted."""
            self.impatient = 0
            """How many requests came before the delay was over that an answer to the same path had asked for."""

    def add_batch(self, batch: dict[str, Any]) -> None:
        self.batches[batch["id"]] = batch
        self.places.update({task_id: place for place, task_id in enumerate(batch["tasks"]) if task_id})

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ---- one request

    def reply(self, method: str, target: str, authorization: str, body: bytes) -> Reply | None:
        """Return the answer; None closes the connection without one."""
        with self.lock:
            self.requests.append(f"{method} {target}")
            parts = urlsplit(target)
            _, version, *names = parts.path.split("/")
            if version not in self.scenario.versions:
                return Reply(404, f"404 page not found: {parts.path}\n".encode(), {"Content-Type": "text/plain"})
            path = "/" + "/".join(names)
            if time.monotonic() < self.held.get(path, 0.0):
                self.impatient += 1
            for number, fault in enumerate(self.scenario.faults):
                if re.fullmatch(fault["path"], path) and self.spent[number] < fault.get("times", 1):
                    self.spent[number] += 1
                    self.held[path] = time.monotonic() + float(fault.get("headers", {}).get("Retry-After", 0))
                    return self.fault(fault)
            if authorization != f"Bearer {self.scenario.api_key}":
                return failed(401, "invalid credentials", key="msg")
            if self.throttled():
                return document({"status": "failed", "msg": "Rate limit exceeded"}, 429, {"Retry-After": "1"})
            if method == "POST":
                return self.submit(names, body)
            return self.get(names, {name: values[-1] for name, values in parse_qs(parts.query).items()})

    def fault(self, fault: Mapping[str, Any]) -> Reply | None:
        if fault.get("drop"):
            return None
        headers = {"Content-Type": "text/html" if "text" in fault else "application/json", **fault.get("headers", {})}
        content = fault["text"].encode() if "text" in fault else json.dumps(fault.get("body", {})).encode()
        return Reply(fault.get("status", 500), content, headers)

    def throttled(self) -> bool:
        if self.scenario.rate_limit is None:
            return False
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if len(self.recent) >= self.scenario.rate_limit:
            return True
        self.recent.append(now)
        return False

    def get(self, names: list[str], query: Mapping[str, str]) -> Reply:
        if any(name in self.scenario.forbidden for name in names):
            return document({"message": "this belongs to another account"}, 403)
        match names:
            case ["tasks"]:
                return self.page([self.task_now(task) for task in self.tasks.values()], query)
            case ["tasks", task_id]:
                task = self.tasks.get(task_id)
                return document({"task": self.task_now(task)}) if task else failed(404, "Task not found")
            case ["tasks", task_id, "results"]:
                return self.result(task_id)
            case ["batches"]:
                return self.page([self.batch_summary(batch) for batch in self.batches.values()], query)
            case ["batches", batch_id, *rest]:
                batch = self.batches.get(batch_id)
                if batch and rest == ["progress"]:
                    self.looked[batch_id] += 1
                    return document({"status": "success", **self.progress(batch)})
                return self.batch(batch) if batch and not rest else failed(404, "Batch not found")
            case ["jobs"]:
                return self.offset_page(self.scenario.jobs, query)
            case ["jobs", "runs", run_id]:
                run = find(self.scenario.runs, run_id)
                return document(run) if run else document({"detail": "Run not found", "status": "failed"}, 404)
            case ["jobs", job_id, "runs"]:
                runs = [flat_run(run) for run in self.scenario.runs if run.get("job_id") == job_id]
                job = find(self.scenario.jobs, job_id)
                return self.offset_page(runs, query) if job else failed(404, "Job not found")
        return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    # ---- pages

    def page(self, entries: list[Any], query: Mapping[str, str]) -> Reply:
        start = int(query.get("cursor", "c0").removeprefix("c"))
        end = start + min(int(query.get("limit", "20")), self.scenario.page_size)
        more = end < len(entries)
        pagination = {"has_next": more, "next_cursor": f"c{end}" if more else None, "total": len(entries)}
        return document({"data": entries[start:end], "pagination": pagination})

    def offset_page(self, entries: list[Any], query: Mapping[str, str]) -> Reply:
        start = int(query.get("offset", "0"))
        limit = min(int(query.get("limit", "20")), self.scenario.page_size)
        return document(
            {"items": entries[start : start + limit], "limit": limit, "offset": start, "total": len(entries)}
        )

    # ---- batches and tasks at this moment

    def progress(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        total, looks = len(batch["tasks"]), batch.get("looks", 0)
        ended = total if looks == 0 else min(total, total * self.looked[batch["id"]] // looks)
        completed = ended == total
        return {
            "id": batch["id"],
            "completed": completed,
            "completed_count": ended,
            "progress": ended / total if total else 1,
            "completed_at": batch.get("completed_at") if completed else None,
        }

    def batch(self, batch: Mapping[str, Any]) -> Reply:
        known = [self.task_now(self.tasks.get(name)) if name else None for name in batch["tasks"]]
        created = batch.get("created_at", "2026-03-19T10:00:00.000Z")
        return document({"status": "success", **self.progress(batch), "created_at": created, "tasks": known})

    def batch_summary(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": batch["id"],
            "completed": self.progress(batch)["completed"],
            "created_at": batch.get("created_at", "2026-03-19T10:00:00.000Z"),
            "tasks": batch["tasks"],
        }

    def task_now(self, task: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the task as it is: pending until its batch has come so far."""
        if task is None:
            return None
        batch = self.batches.get(str(task.get("batch_id")))
        if batch and self.places.get(task["id"], 0) >= self.progress(batch)["completed_count"]:
            kept = {name: value for name, value in task.items() if name not in {"error", "error_type", "status_code"}}
            return {**kept, "state": "pending"}
        return task

    def result(self, task_id: str) -> Reply:
        task = self.task_now(self.tasks.get(task_id))
        if task is None:
            return failed(404, "Task not found")
        given = self.scenario.results.get(task_id)
        if given is not None:
            return self.fault({"status": 200, **given}) or failed(404, "Results not found")
        if task["state"] != "success":
            return failed(404, "Results not found")
        return document(small_result(task))

    # ---- submission

    def submit(self, names: list[str], body: bytes) -> Reply:
        try:
            asked = json.loads(body)
        except ValueError:
            return failed(400, "Invalid request parameters", key="msg")
        self.submissions.append(asked)
        if names == ["extract", "async"]:
            task = submitted_task(asked, None)
            self.tasks[task["id"]] = task
            return document({"status": "success", "task": {**task, "state": "pending"}})
        if names == ["extract", "batch"]:
            batch_id = str(uuid.uuid4())
            shared = asked.get("shared_inputs", {})
            tasks = [submitted_task({**shared, **entry}, batch_id) for entry in asked["inputs"]]
            self.tasks.update({task["id"]: task for task in tasks})
            ids = [task["id"] for task in tasks]
            self.add_batch({"id": batch_id, "tasks": ids, "looks": self.scenario.looks})
            pending = [{**task, "state": "pending"} for task in tasks]
            return document({"batch_id": batch_id, "batch_size": len(tasks), "tasks": pending})
        return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})


class _Handler(BaseHTTPRequestHandler):
    """HTTP around NimbleApi.reply."""

    served: NimbleApi
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        reply = self.served.reply(
            self.command, self.path, self.headers.get("Authorization", ""), self.rfile.read(length)
        )
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_GET  # noqa: N815  # the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Log nothing: ``requests`` has every request."""


def find(entries: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((entry for entry in entries if entry["id"] == name), None)


def flat_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as a list of runs shows it."""
    summary = run.get("summary") or {}
    listed = {name: value for name, value in run.items() if name not in {"summary", "job", "error"}}
    return {**listed, "input_count": summary.get("input_count"), "result_count": summary.get("result_count")}


def small_result(task: Mapping[str, Any]) -> dict[str, Any]:
    url = (task.get("input") or {}).get("url", "https://www.example.com")
    return {
        "url": url,
        "task_id": task["id"],
        "status": "success",
        "data": {"html": f"<!DOCTYPE html><title>{task['id']}</title>", "headers": {}},
        "metadata": {
            "query_time": "2026-02-09T23:15:43.549Z",
            "query_duration": 1877,
            "response_parameters": {"input_url": url},
            "driver": "vx6",
        },
        "status_code": 200,
    }


def submitted_task(asked: Mapping[str, Any], batch_id: str | None) -> dict[str, Any]:
    task_id = str(uuid.uuid4())
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    task: dict[str, Any] = {
        "id": task_id,
        "state": "success",
        "created_at": now,
        "modified_at": now,
        "input": {"url": asked.get("url")},
        "_query": None,
        "status_url": f"https://sdk.nimbleway.com/api/v2/tasks/{task_id}",
        "api_type": "extract",
        "status_code": 200,
    }
    if batch_id:
        task["batch_id"] = batch_id
    if asked.get("storage_url"):
        name = asked.get("storage_object_name") or task_id
        task["output_url"] = f"{asked['storage_url']}{name}.json{'.gz' if asked.get('storage_compress') else ''}"
    return task


def read_scenario(path: Path) -> Scenario:
    given = json.loads(path.read_text(encoding="utf-8"))
    unknown = set(given) - {known.name for known in fields(Scenario)}
    if unknown:
        raise SystemExit(f"{path}: unknown {', '.join(sorted(unknown))}")
    return Scenario(**given)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small Nimble API on loopback.")
    parser.add_argument("--scenario", type=Path, help="JSON file with what the API knows; read again when it changes")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args()
    path: Path | None = options.scenario
    with NimbleApi(read_scenario(path) if path else None, port=options.port) as api:
        print(api.url, flush=True)
        changed = path.stat().st_mtime_ns if path else 0
        while True:
            time.sleep(0.2)
            if path and path.stat().st_mtime_ns != changed:
                changed = path.stat().st_mtime_ns
                api.load(read_scenario(path))


if __name__ == "__main__":
    main()
