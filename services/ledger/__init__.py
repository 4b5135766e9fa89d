"""The ledger: where each document is, found from the topics and the parts alone."""

from services.ledger.account import Account, Marks, take_account, under_way
from services.ledger.files import lost_sources, mostly_dead
from services.ledger.reconcile import Discrepancies, reconcile
from services.ledger.report import report
from services.ledger.scored import scored
from services.ledger.shares import is_off, shares
from services.ledger.trace import Sighting, trace
from services.ledger.waiting import waiting

__all__ = [
    "Account",
    "Discrepancies",
    "Marks",
    "Sighting",
    "is_off",
    "lost_sources",
    "mostly_dead",
    "reconcile",
    "report",
    "scored",
    "shares",
    "take_account",
    "trace",
    "under_way",
    "waiting",
]
