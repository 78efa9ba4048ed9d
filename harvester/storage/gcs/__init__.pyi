from .iam_settings import GcsSettings as GcsSettings
from .iam_settings import GcsSettingsReader as GcsSettingsReader
from .iam_settings import permission_of as permission_of
from .json_client import GcsClient as GcsClient
from .json_store import GcsStore as GcsStore
from .media_requests import GcsAdapter as GcsAdapter
