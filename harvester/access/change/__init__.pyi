from .applying import PolicyOutcome as PolicyOutcome
from .applying import apply_policy as apply_policy
from .applying import plan_revert as plan_revert
from .planned_change import PolicyPlan as PolicyPlan
from .planned_change import plan_policy as plan_policy
