"""The report: of a run, and of all that a folder holds, as numbers and as a page with pictures; no server."""
