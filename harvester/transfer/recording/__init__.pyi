from .recorded_rows import aside_path as aside_path
from .recorder import Recorder as Recorder
