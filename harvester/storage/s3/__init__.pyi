from .aws_clients import AwsClients as AwsClients
from .aws_clients import ask as ask
from .fetch_requests import S3Adapter as S3Adapter
from .kms import KmsKeys as KmsKeys
from .object_store import S3Store as S3Store
from .setting_calls import PERMISSIONS as PERMISSIONS
from .settings_reader import S3SettingsReader as S3SettingsReader
