"""Grafana dashboards as plain dictionaries: what a panel says, laid out two to a row.

The classic model (schemaVersion 39), which Grafana 10 to 13 read from a file or a ConfigMap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from charts.monitoring.query import CORPUSWORKS

Json = dict[str, Any]
Kind = Literal["timeseries", "stat"]

SCHEMA = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 12, 8  # of 24 columns


@dataclass(frozen=True)
class Query:
    """expr: PromQL. legend: as Grafana has it, `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """told: for who does not know the number. unit: Grafana's id of it. limit: a line to stay under."""

    title: str
    told: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: Kind = "timeseries"
    limit: float | None = None
    stacked: bool = False


@dataclass(frozen=True)
class Dashboard:
    """name: of its file and, prefixed, its uid. seen_by: a metric by which namespaces are found."""

    name: str
    title: str
    told: str
    panels: Sequence[Panel]
    seen_by: str = CORPUSWORKS + "lag_messages"

    @property
    def json(self) -> Json:
        """What is committed and what Grafana reads."""
        return {
            "uid": f"corpusworks-{self.name}",
            "title": f"Corpusworks / {self.title}",
            "description": self.told,
            "tags": ["corpusworks"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "",
            "links": [_links()],
            "templating": {"list": [_source(), _namespaces(self.seen_by)]},
            "annotations": {"list": []},
            "panels": [_panel(number, panel) for number, panel in enumerate(self.panels)],
        }


def _panel(number: int, panel: Panel) -> Json:
    row, column = divmod(number, 24 // WIDTH)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.told,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "targets": [_target(at, query) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _target(at: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + at),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
    }


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit, "color": {"mode": "palette-classic"}}
    if panel.unit == "percentunit":
        found["min"] = 0
    if panel.kind == "timeseries":
        found["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
        }
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    return found | {"thresholds": {"mode": "absolute", "steps": steps}}


_OPTIONS: dict[Kind, Json] = {
    "timeseries": {
        "legend": {
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "calcs": ["lastNotNull"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    },
}


def _source() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _namespaces(seen_by: str) -> Json:
    ask = f"label_values({seen_by}, namespace)"
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": ask, "refId": "namespaces"},
        "allValue": ".*",
        "includeAll": True,
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def _links() -> Json:
    return {
        "title": "Corpusworks",
        "type": "dashboards",
        "tags": ["corpusworks"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
