from .exporting import ExportOptions as ExportOptions
from .exporting import ExportReport as ExportReport
from .exporting import export as export
from .exporting import print_views as print_views
from .table_columns import DROPPABLE as DROPPABLE
from .typed_columns import read_columns as read_columns
