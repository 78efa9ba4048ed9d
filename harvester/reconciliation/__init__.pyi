from .matching import ReconciledTask as ReconciledTask
from .matching import TaskOutcome as TaskOutcome
from .reconcile_report import ReconcileReport as ReconcileReport
from .reconciler import ReconcileOptions as ReconcileOptions
from .reconciler import reconcile as reconcile
from .task_file import read_tasks_file as read_tasks_file
from .upstream_status import ExpectedTasks as ExpectedTasks
from .upstream_status import WaitObserver as WaitObserver
