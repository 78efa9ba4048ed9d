from .matching import Outcome as Outcome
from .matching import TaskAccount as TaskAccount
from .reconcile_report import ReconcileReport as ReconcileReport
from .reconciler import ReconcileOptions as ReconcileOptions
from .reconciler import reconcile as reconcile
from .task_file import read_tasks_file as read_tasks_file
from .upstream import Promise as Promise
from .upstream import WaitObserver as WaitObserver
