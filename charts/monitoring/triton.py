"""Dashboard: Triton, by its own metrics."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN, RATE

# Of what Triton 2.51 exports (its docs/user_guide/metrics.md) what is looked at; a test asks a real one.
MODEL = frozenset({"model", "version"})
METRICS = {
    "nv_inference_request_success": MODEL,
    "nv_inference_request_failure": MODEL | {"reason"},
    "nv_inference_count": MODEL,
    "nv_inference_exec_count": MODEL,
    "nv_inference_request_duration_us": MODEL,
    "nv_inference_queue_duration_us": MODEL,
    "nv_inference_compute_infer_duration_us": MODEL,
    "nv_inference_pending_request_count": MODEL,
    "nv_cpu_utilization": frozenset(),
    "nv_cpu_memory_used_bytes": frozenset(),
    "nv_gpu_utilization": frozenset({"gpu_uuid"}),
    "nv_gpu_memory_used_bytes": frozenset({"gpu_uuid"}),
}


def _rate(name: str, *by: str) -> str:
    return CHOSEN.sum(f"rate({CHOSEN.any(name)}[{RATE}])", *by)


def _each(name: str) -> str:
    """Milliseconds a request."""
    return f"{_rate(name, 'model')} / {_rate('nv_inference_request_success', 'model')} / 1000"


TRITON = Dashboard(
    "triton",
    "Triton",
    "The judges' server: requests, batches, where their time goes.",
    [
        Panel(
            "Texts judged",
            "A second, by model.",
            [Query(_rate("nv_inference_count", "model"), "{{model}}")],
            "ops",
        ),
        Panel(
            "Requests that failed",
            "A second. The river waits and asks again; no document is lost by it.",
            [Query(_rate("nv_inference_request_failure", "model", "reason"), "{{model}}: {{reason}}")],
            "ops",
        ),
        Panel(
            "Texts an execution",
            "The batch that the model was run on: 1 wastes a GPU.",
            [
                Query(
                    f"{_rate('nv_inference_count', 'model')} / {_rate('nv_inference_exec_count', 'model')}",
                    "{{model}}",
                )
            ],
        ),
        Panel(
            "Time of a request",
            "On average: in all, waiting in the queue, and in the model.",
            [
                Query(_each("nv_inference_request_duration_us"), "{{model}}"),
                Query(_each("nv_inference_queue_duration_us"), "{{model}}, queue"),
                Query(_each("nv_inference_compute_infer_duration_us"), "{{model}}, model"),
            ],
            "ms",
        ),
        Panel(
            "Requests waiting",
            "Not begun yet. Where it grows, Triton is what the river waits for.",
            [Query(CHOSEN.sum(CHOSEN.any("nv_inference_pending_request_count"), "model"), "{{model}}")],
        ),
        Panel(
            "Utilisation",
            "Of each GPU; without one, of the CPU.",
            [
                Query(
                    f"{CHOSEN.max(CHOSEN.any('nv_gpu_utilization'), 'gpu_uuid')} or "
                    + CHOSEN.max(CHOSEN.any("nv_cpu_utilization")),
                    "{{gpu_uuid}}",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Memory",
            "In use on each GPU; without one, on the machine.",
            [
                Query(
                    f"{CHOSEN.max(CHOSEN.any('nv_gpu_memory_used_bytes'), 'gpu_uuid')} or "
                    + CHOSEN.max(CHOSEN.any("nv_cpu_memory_used_bytes")),
                    "{{gpu_uuid}}",
                )
            ],
            "bytes",
        ),
        Panel(
            "Times that it did not answer",
            "A minute, as the services saw it.",
            [
                Query(
                    "60 * "
                    + CHOSEN.rate("dependency_failures_total", "service", where=('dependency="triton"',))
                    + " or on () vector(0)",
                    "{{service}}",
                )
            ],
        ),
    ],
    seen_by="nv_inference_count",
)
