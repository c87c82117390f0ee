# SPDX-License-Identifier: GPL-2.0-only
"""A target without a machine: answers requests like the agent, and fails on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bench.errors import KernelPanic, RingcrossError, UsageError
from bench.plan.cells import Cell, CellResult, Clock
from bench.plan.options import RunOptions
from bench.targets.provision import Provisioner, Testbed

READ, LOOP, N = 2.0, 3.0, 100
CONTROL = 50
"""Cost of one operation of a control round, in ns."""

LISTING: dict[str, Any] = {
    "protocol": 2,
    "channels": [
        {
            "name": "null",
            "summary": "the baseline",
            "module": "ringcross_null",
            "needs": [],
            "baseline": True,
            "unsupported_reason": dict.fromkeys(("notify", "stream"), "A baseline emits nothing."),
            "modes": [
                {
                    "name": "ioctl",
                    "summary": "an empty handler",
                    "operations": {
                        op: {"min": 0, "max": 0, "limit": "It carries nothing."}
                        for op in ("push", "pull", "call")
                    },
                }
            ],
        },
        {
            "name": "netlink",
            "summary": "sockets",
            "module": "ringcross_netlink",
            "needs": [],
            "baseline": False,
            "unsupported_reason": {"pull": "A socket has no pull."},
            "modes": [
                {
                    "name": "unicast",
                    "summary": "one peer",
                    "operations": {
                        "push": {"min": 0, "max": 200000, "limit": "The socket buffer."},
                        "call": {"min": 0, "max": 1024, "limit": "One skb."},
                        "notify": {"min": 0, "max": 1024, "limit": "One skb.", "two_ends": True},
                    },
                },
                {
                    "name": "multicast",
                    "summary": "a group",
                    "operations": {
                        "notify": {"min": 0, "max": 1024, "limit": "One skb.", "two_ends": True},
                        "stream": {"min": 0, "max": 1024, "limit": "One skb.", "two_ends": True},
                    },
                },
            ],
        },
        {
            "name": "signal",
            "summary": "a value",
            "module": "ringcross_signal",
            "needs": [],
            "baseline": False,
            "unsupported_reason": dict.fromkeys(("push", "pull", "call"), "A signal goes one way."),
            "modes": [
                {
                    "name": "realtime",
                    "summary": "queued",
                    "operations": {
                        "notify": {"min": 4, "max": 4, "limit": "A value.", "two_ends": True}
                    },
                }
            ],
        },
    ],
}


Factor = Callable[[dict[str, Any]], float]
"""How much longer than usual the rounds of a request take."""


def cost(request: dict[str, Any]) -> int:
    """Net cost of one operation of this cell on the fake target, in clock units."""
    return 100 + len(request["channel"]) + int(request["size"]) // 8


class FakeSession:
    """Answers the requests of one boot.

    ``deeds`` maps a request (``channel-operation`` or ``id 7``) to a failure: an exception to
    raise, or fields that replace those of the answer.
    """

    def __init__(
        self,
        requests: Sequence[dict[str, Any]],
        deeds: dict[str, Any],
        factor: Factor = lambda request: 1.0,
    ) -> None:
        self.requests = requests
        self.factor = factor
        self.deeds = deeds
        self.closed = self.killed = False
        self.clock = ""

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True

    def kill(self) -> None:
        self.killed = True

    def kernel_log(self) -> str:
        return "[    0.0] Linux version fake\n"

    def describe(self) -> dict[str, Any]:
        return {"target": "vm", "accelerator": "icount", "qemu": "7.2", "forced": False}

    def answers(self) -> Iterator[dict[str, Any]]:
        if isinstance(self.deeds.get("boot"), BaseException):
            raise self.deeds["boot"]
        yield {"re": "hello", "protocol": 2, "kernel": "6.1.0-fake", "machine": "x86_64"}
        for request in self.requests:
            yield from getattr(self, f"_{request['do']}")(request)
        yield {"re": "end"}

    def _setup(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.clock = request["clock"]
        answer = {"re": "setup", "clock": request["clock"], "read": READ, "loop": LOOP}
        yield self.deeds.get("setup", answer)

    def _read(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        files: dict[str, str | None] = dict.fromkeys(request["paths"])
        files["/proc/cmdline"] = "quiet nokaslr\n"
        files["/proc/cpuinfo"] = "processor: 0\nmodel name\t: Fake CPU\n"
        yield {"re": "read", "files": files}

    def _floors(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"re": "floors", "copy": {str(size): size / 8 for size in request["sizes"]}}

    def _cell(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"re": "begin", "id": request["id"]}
        by_name = self.deeds.get(f"{request['channel']}-{request['operation']}", {})
        deed = self.deeds.get(f"id {request['id']}", by_name)
        if isinstance(deed, BaseException):
            if isinstance(deed, KernelPanic):
                deed = KernelPanic(str(deed), cell_id=request["id"])
            raise deed
        if deed == "ignore":
            yield {"re": "error", "reason": "what?"}
            return
        answer = _answer(request)
        answer["rounds"] = [round(total * self.factor(request)) for total in answer["rounds"]]
        yield answer | self._placement(request) | deed

    def _placement(self, request: dict[str, Any]) -> dict[str, Any]:
        """Where both ends ran, under ``time``; CPU 1 is the home, CPU 2 the other CPU."""
        if self.clock != "time":
            return {}
        if request["operation"] not in ("notify", "stream"):
            return {"placement": "", "user_cpu": 1, "other_cpu": None}
        placement = request["placement"] or "same-cpu"
        other = 1 if placement == "same-cpu" else 2
        return {"placement": placement, "user_cpu": 1, "other_cpu": other}

    def _probe(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        deed = self.deeds.get(f"{request['channel']}-probe", {})
        if isinstance(deed, BaseException):
            raise deed
        names = {name: request[name] for name in ("channel", "mode")}
        value = {"value": "kept", "how": "probe", "detail": "Two messages arrived as two."}
        yield {"re": "probe", **names, "properties": {"boundaries": value}, "log": []} | deed

    def _xray(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"re": "begin", "id": request["id"]}
        deed = self.deeds.get("xray", {})
        if isinstance(deed, BaseException):
            raise deed
        yield {
            "re": "xray",
            "id": request["id"],
            "status": "skip",
            "reason": "The fake kernel has no tracer.",
            "traced": request["traced"],
            "units": 0,
            "overhead": 0.0,
            "log": [],
        } | deed


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer for a cell; round k costs k % 3 units more per operation than ``cost``."""
    net = cost(request)
    operation = request["operation"]
    overhead = {"notify": READ * N, "stream": 0.0}.get(operation, READ + LOOP * N)
    rounds = [int((net + k % 3) * N + overhead) for k in range(request["rounds"])]
    answer = {
        "re": "cell",
        "id": request["id"],
        "status": "ok",
        "reason": "",
        "n": N,
        "rounds": rounds,
        "round_overhead": overhead,
        "sample_overhead": READ + LOOP,
        "log": [],
        "samples": np.full(request["samples"], net + READ + LOOP).astype("<u8"),
    }
    if operation in ("notify", "stream"):
        answer["context"] = {"default": "softirq"}.get(request["context"], request["context"])
    if operation == "stream":
        full = [N] * request["rounds"]
        none = [0] * request["rounds"]
        answer |= {"emitted": full, "delivered": full, "refused": none, "lost": none}
        answer |= {"reordered": none, "duplicated": none, "overruns": none}
        answer |= {"span": [net * N] * request["rounds"], "interval": request["interval"]}
        answer |= {"overheads": [overhead] * request["rounds"]}
        answer |= {
            "producer": [net / 4] * request["rounds"],
            "consumer": [None] * request["rounds"],
        }
    if request.get("control_units"):
        answer |= {"controls": [CONTROL * N] * (request["rounds"] + 1), "control_n": N}
        answer |= {"control_size": max(8, request["size"]), "control_overhead": 0.0}
    if request.get("search"):
        answer |= {"interval": 1000, "bound": "behind", "trials": _trials()}
    return answer


def _trials() -> dict[str, Any]:
    """Two trials: a clean one, and one at twice the rate that loses half of the messages."""
    return {
        "interval": [1000, 500], "emitted": [N, N], "refused": [0, N // 2],
        "delivered": [N, N // 2], "lost": [0, N // 2], "reordered": [0, 0],
        "duplicated": [0, 0], "overruns": [0, 1], "span": [6000, 3000], "missed": [0, 0],
        "behind": [100, 9000], "p50": [300, 5000], "p99": [400, 9000],
        "verdict": ["clean", "lost"],
    }  # fmt: skip


class FakeTarget:
    """Starts fake sessions with the given failures.

    ``deeds`` is one dictionary for all boots, or a list with one dictionary per boot.
    ``factor`` gives how much longer than usual the rounds of a request take.
    """

    def __init__(
        self,
        deeds: dict[str, Any] | list[dict[str, Any]] | None = None,
        factor: Factor = lambda request: 1.0,
    ) -> None:
        self.deeds = deeds or {}
        self.factor = factor
        self.sessions: list[FakeSession] = []
        self.seeds: list[int] = []

    def start(self, requests: Sequence[dict[str, Any]], *, seed: int) -> FakeSession:
        deeds = self.deeds
        if isinstance(deeds, list):
            deeds = deeds[len(self.sessions)] if len(self.sessions) < len(deeds) else {}
        if isinstance(deeds.get("start"), BaseException):
            raise deeds["start"]
        self.seeds.append(seed)
        self.sessions.append(FakeSession(list(requests), deeds, self.factor))
        return self.sessions[-1]


class FakeProvisioner(Provisioner):
    """Provides the fake target instead of building and booting."""

    def __init__(self, target: FakeTarget | None = None, clock: Clock = "instructions") -> None:
        super().__init__()
        self.target = target or FakeTarget()
        self.clock: Clock = clock
        self.error: RingcrossError | None = None
        self.available: tuple[str, ...] = ("same-cpu",)
        self.decided: dict[Cell, CellResult] = {}
        self.notes: tuple[str, ...] = ()

    def listing(self) -> dict[str, Any]:
        return LISTING

    def fetch(self, kernel: str) -> None:
        if kernel == "unknown":
            raise UsageError("There is no kernel 'unknown'.")

    def planned_clock(self, options: RunOptions) -> Clock:
        return self.clock

    def placements(self, options: RunOptions) -> tuple[str, ...]:
        return self.available

    def prepare(self, options: RunOptions, listing: Any, cells: Any) -> Testbed:
        if self.error:
            raise self.error
        config = "CONFIG_HZ=250\nCONFIG_KASAN=y\n"
        return Testbed(self.target, self.clock, "6.1.0-fake", config, self.decided, self.notes)
