"""Commands of the AWS and Google command lines to run after a report."""

from __future__ import annotations

import shlex

from harvester.location import Location
from harvester.text import printable


def delete_object(location: Location, key: str) -> str:
    """Return the command that deletes a delivered object at its source."""
    match location.scheme:
        case "s3":
            target = f"--bucket {shlex.quote(location.bucket)} --key {shlex.quote(printable(key))}"
            return f"aws s3api delete-object {target}"
        case "gs":
            return f"gcloud storage rm {shlex.quote(printable(f'gs://{location.bucket}/{key}'))}"
        case _:
            return f"rm {shlex.quote(printable(key))}"


def restore_archived(location: Location) -> list[str]:
    """Return the lines of the command that restores the archived objects of a location."""
    classes = "`GLACIER` || StorageClass==`DEEP_ARCHIVE`"
    bucket, prefix = shlex.quote(location.bucket), shlex.quote(location.prefix)
    return [
        f"  aws s3api list-objects-v2 --bucket {bucket} --prefix {prefix} \\",
        f"    --query \"Contents[?StorageClass=={classes}].Key\" --output text | tr '\\t' '\\n' |",
        f"    xargs -I KEY aws s3api restore-object --bucket {bucket} --key KEY --restore-request \\",
        '    \'{"Days":7,"GlacierJobParameters":{"Tier":"Bulk"}}\'',
    ]


def list_uploads(location: Location) -> str:
    """Return the command that lists the uploads in progress below a location, with the ids that abort them."""
    bucket, prefix = shlex.quote(location.bucket), shlex.quote(printable(location.prefix))
    return f"aws s3api list-multipart-uploads --bucket {bucket} --prefix {prefix}"


def submit_batch_job(name: str, size: int | None) -> list[str]:
    """Return the lines that submit a job of AWS Batch, once its definition is registered; ``size`` of its array."""
    array = "" if size is None else f" --array-properties size={size}"
    return [
        "after aws batch register-job-definition --cli-input-json file://job.json:",
        f"  aws batch submit-job --job-name {name} --job-queue QUEUE --job-definition {name}{array}",
    ]


def save_notifications(bucket: str) -> str:
    """Return the command that saves the notification configuration of a bucket."""
    return f"aws s3api get-bucket-notification-configuration --bucket {bucket} > current.json"
