from .json_scanner import Scanner as Scanner
from .json_scanner import scan as scan
from .utf8 import UTF8_MARK as UTF8_MARK
from .utf8 import text_start as text_start
