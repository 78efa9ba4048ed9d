from .row_reader import numbered_rows as numbered_rows
from .value_path import select as select
