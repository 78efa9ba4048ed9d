from .connection_test import probe_connection as probe_connection
from .probe_report import ProbeReport as ProbeReport
from .probe_report import worst_exit_code as worst_exit_code
