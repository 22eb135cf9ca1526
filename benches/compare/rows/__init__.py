"""The rows: what is measured, in numbers that may be selected, each with the bounds next to its work."""
from . import small

ROWS = {
    "1": ("HTTP/1.1 keep-alive, small body", small.keep_alive),
}
