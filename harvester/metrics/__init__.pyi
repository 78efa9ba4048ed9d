from .metric import CONTENT_TYPE as CONTENT_TYPE
from .metric import Metric as Metric
from .metric import metrics_text as metrics_text
from .metrics_file import end_metrics as end_metrics
from .metrics_file import last_success as last_success
from .metrics_file import write_metrics_file as write_metrics_file
