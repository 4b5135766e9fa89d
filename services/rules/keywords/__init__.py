"""Lists of banned and watched words: by language, category and what is to be done, reloaded while running."""

from services.rules.keywords.lists import Action, WordList
from services.rules.keywords.reload import Watched, require
from services.rules.keywords.search import Keywords, Lookup

__all__ = ["Action", "Keywords", "Lookup", "Watched", "WordList", "require"]
