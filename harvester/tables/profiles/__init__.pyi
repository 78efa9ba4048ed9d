from .profile_comparison import DEFAULT_TOLERANCE as DEFAULT_TOLERANCE
from .profile_comparison import ProfileFinding as ProfileFinding
from .profiling import ALL_GROUPS as ALL_GROUPS
from .profiling import DEFAULT_WINDOW as DEFAULT_WINDOW
from .profiling import ProfileReport as ProfileReport
from .profiling import profile as profile
from .saved_profiles import SavedProfiles as SavedProfiles
from .saved_profiles import saved_profiles as saved_profiles
