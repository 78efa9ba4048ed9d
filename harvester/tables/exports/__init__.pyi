from .export_types import ExportOptions as ExportOptions
from .export_types import ExportReport as ExportReport
from .exporting import export as export
from .exporting import print_views as print_views
