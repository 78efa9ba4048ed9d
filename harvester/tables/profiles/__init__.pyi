from .profile_comparison import DEFAULT_TOLERANCE as DEFAULT_TOLERANCE
from .profile_comparison import ProfileFinding as ProfileFinding
from .profile_files import SavedProfiles as SavedProfiles
from .profile_files import saved_profiles as saved_profiles
from .profiling import ALL_GROUPS as ALL_GROUPS
from .profiling import DEFAULT_WINDOW as DEFAULT_WINDOW
from .profiling import ProfileReport as ProfileReport
from .profiling import profile as profile
