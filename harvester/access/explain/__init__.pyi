from .access_report import Explanation as Explanation
from .access_report import RequirementView as RequirementView
from .explaining import AccessReport as AccessReport
from .explaining import Comparison as Comparison
from .explaining import explain_access as explain_access
from .explaining import explain_snapshots as explain_snapshots
from .setting_labels import SETTING_NAMES as SETTING_NAMES
from .setting_labels import words as words
