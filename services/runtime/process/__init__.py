"""Processes: the life of a service, its worker, health, copies."""
