"""A reader of `.cdt` traces, written from docs/format.md alone. Each module stands for some of its sections:

- `wire`: numbers, `hash`, and the error that refuses a file
- `sections`: *The file*
- `records`: *Records*
- `layout`: *`META`* (the rules of a layout) and *Tables*
- `columns`: *Column frames*
- `blocks`: *`BLCK` head*, *The tail of a block*, *Bounds*
- `checks`: what *Tables* says of each value
- `index`: *`SEGM`*, *`FOOT`*
- `trace`: the whole of a trace
- `digests` and `summaries`: *Digests*, and the summaries of *`SEGM`*, from the rows
"""

from .trace import Trace, open_trace
from .wire import FormatError

__all__ = ["FormatError", "Trace", "open_trace"]
