from .recorder import Recorder as Recorder
from .recorder import aside_path as aside_path
