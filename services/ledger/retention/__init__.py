"""Retention: what has been kept long enough is deleted, and no reader that is down loses anything."""

from services.ledger.retention.bodies import Bodies, survey_bodies, sweep_bodies
from services.ledger.retention.limits import Limit, limits
from services.ledger.retention.retain import Retained, retain, survey

__all__ = ["Bodies", "Limit", "Retained", "limits", "retain", "survey", "survey_bodies", "sweep_bodies"]
