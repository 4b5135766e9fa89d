"""Dashboards of Grafana and rules of Prometheus, made from Python: `python -m charts.monitoring`."""
