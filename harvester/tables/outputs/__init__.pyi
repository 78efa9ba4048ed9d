from .output_store import OutputStore as OutputStore
from .output_store import open_output as open_output
