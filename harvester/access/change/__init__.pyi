from .applying import PolicyOutcome as PolicyOutcome
from .applying import apply_policy as apply_policy
from .applying import change_exit_code as change_exit_code
from .planning import ManualStep as ManualStep
from .planning import PolicyPlan as PolicyPlan
from .planning import plan_policy as plan_policy
from .reverting import plan_revert as plan_revert
