"""Parts in the formats of other readers: every document once, whole, with its end token; without padding.

One file a format; `FORMATS` names them.
"""

from services.sink.export.export import FORMATS, Exported, check_format, chosen, export

__all__ = ["FORMATS", "Exported", "check_format", "chosen", "export"]
