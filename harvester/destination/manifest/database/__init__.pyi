from .manifest_database import ManifestDatabase as ManifestDatabase
from .manifest_errors import manifest_error as manifest_error
from .opening_database import open_database as open_database
from .opening_database import open_readonly as open_readonly
