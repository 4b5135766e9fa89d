"""The plan: what a corpus of so many documents will take, thing by thing."""

from services.ledger.plan.figures import FIGURES, Size
from services.ledger.plan.measured import measured
from services.ledger.plan.plan import Corpus, Thing, plan

__all__ = ["FIGURES", "Corpus", "Size", "Thing", "measured", "plan"]
