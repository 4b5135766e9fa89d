"""The chart as its examples render it: `python -m charts.renders` writes examples/*.rendered.yaml.

What a change of the chart does is read in the difference. Left out: passwords, which a render draws at
random, and what dashboards/ holds. helm is HELM, or the one on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CHART = Path(__file__).parent / "corpusworks"
EXAMPLES = CHART / "examples"
# What a cluster with the operators of examples/production.yaml serves.
OPERATORS = (
    "gateway.networking.k8s.io/v1/HTTPRoute",
    "kafka.strimzi.io/v1/Kafka",
    "kubeflow.org/v1/PyTorchJob",
    "keda.sh/v1alpha1/ScaledObject",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
)
DRAWN = "ZHJhd24gYXQgcmFuZG9t"  # "drawn at random"
_RANDOM = re.compile(r"^(  (?:kafka|redis|AWS_SECRET_ACCESS_KEY): )[A-Za-z0-9+/=]{40,}$", re.MULTILINE)
# Their text is committed once already.
_DASHBOARD = re.compile(r"^(  ([a-z]+\.json): )\|\n(?:    .*\n)+", re.MULTILINE)


def helm() -> Path | None:
    """The program, if there is one."""
    found = os.environ.get("HELM") or shutil.which("helm")
    return Path(found) if found else None


def template(program: Path, *options: str, operators: Sequence[str] = OPERATORS) -> str:
    """The chart's objects as YAML. Raises CalledProcessError, whose stderr says why it was refused."""
    served = [argument for each in operators for argument in ("--api-versions", each)]
    command = [program, "template", "river", CHART, "--namespace", "corpus", *served, *options]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    return _DASHBOARD.sub(r"\1dashboards/\2\n", _RANDOM.sub(r"\1" + DRAWN, done.stdout))


def main() -> None:
    """Write all."""
    program = helm()
    if program is None:
        sys.exit("no helm: set HELM to one, or put it on PATH")
    for example in sorted(EXAMPLES.glob("*.yaml")):
        if not example.name.endswith(".rendered.yaml"):
            rendered = template(program, "--values", str(example))
            example.with_suffix(".rendered.yaml").write_text(rendered)


if __name__ == "__main__":
    main()
