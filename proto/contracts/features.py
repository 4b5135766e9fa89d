"""Names in a Document's `features` that one service writes and another reads."""

WAIVED = "waived"  # rules to scorer: 1 where a person has found the text good, and it is this one (a waiver)
PAGE_KIND = "page_kind."  # parse to classifier: before a kind of page; how many of its signs tell of it
