from .manifest_database import ManifestDatabase as ManifestDatabase
from .manifest_errors import manifest_error as manifest_error
