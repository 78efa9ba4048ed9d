"""What was promised: tasks, batches and job runs, as Nimble's API tells of them, and an account of every one."""

from harvester.tasks.answers import NotThere
from harvester.tasks.client import NimbleClient
from harvester.tasks.decoding import is_id
from harvester.tasks.delivery import DeliveryParameters, delivery_parameters
from harvester.tasks.model import Batch, BatchProgress, BatchSummary, Run, Task, TaskResult
from harvester.tasks.object_keys import candidate_keys
from harvester.tasks.promises import PromisedTasks, read_tasks_file
from harvester.tasks.reconcile import Promise, ReconcileOptions, ReconcileReport, Rescue, next_step, reconcile
from harvester.tasks.reconciliation import Outcome, Reconciliation, TaskAccount
from harvester.tasks.states import TaskState, task_state

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
    "ReconcileOptions",
    "ReconcileReport",
    "Reconciliation",
    "Rescue",
    "Run",
    "Task",
    "TaskAccount",
    "TaskResult",
    "TaskState",
    "candidate_keys",
    "delivery_parameters",
    "is_id",
    "next_step",
    "read_tasks_file",
    "reconcile",
    "task_state",
]
