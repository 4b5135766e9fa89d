"""Files that lie elsewhere: in a bucket, in a dataset of a hub, at an address of the web.

They are read in place, some megabytes ahead: nothing is kept on a disk, so none can be full.
"""

from services.ingest.remote.place import Place, Unreachable, is_remote, place_of

__all__ = ["Place", "Unreachable", "is_remote", "place_of"]
