"""What was promised: tasks, batches and job runs, as Nimble's API tells of them, and an account of every one."""

from harvester.tasks.answers import NotThere
from harvester.tasks.client import NimbleClient
from harvester.tasks.decoding import is_id
from harvester.tasks.delivery import DeliveryParameters, delivery_parameters
from harvester.tasks.model import Batch, BatchProgress, BatchSummary, Run, Task, TaskResult
from harvester.tasks.object_keys import candidate_keys
from harvester.tasks.promises import PromisedTasks, read_tasks_file
from harvester.tasks.reconcile import ReconcileOptions, reconcile
from harvester.tasks.reconciliation import Outcome, Reason, Reconciliation, TaskAccount
from harvester.tasks.report import ReconcileReport
from harvester.tasks.rescuing import Rescue
from harvester.tasks.states import TaskState, task_state
from harvester.tasks.told import Promise, WaitObserver

__all__ = [
    "Batch",
    "BatchProgress",
    "BatchSummary",
    "DeliveryParameters",
    "NimbleClient",
    "NotThere",
    "Outcome",
    "Promise",
    "PromisedTasks",
    "Reason",
    "ReconcileOptions",
    "ReconcileReport",
    "Reconciliation",
    "Rescue",
    "Run",
    "Task",
    "TaskAccount",
    "TaskResult",
    "TaskState",
    "WaitObserver",
    "candidate_keys",
    "delivery_parameters",
    "is_id",
    "read_tasks_file",
    "reconcile",
    "task_state",
]
