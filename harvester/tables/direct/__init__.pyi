from .direct_series import DirectSeries as DirectSeries
from .direct_sync import DirectReport as DirectReport
from .direct_sync import output_settings as output_settings
from .direct_sync import scratch_destination as scratch_destination
from .direct_sync import sync_to_output as sync_to_output
from .exported_rows import RowsInOutput as RowsInOutput
from .exported_rows import count_rows as count_rows
