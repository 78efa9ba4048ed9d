"""The cutoff before uploads in progress: none that is not abandoned can end up on neither side."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.backfill.upload_cutoff import UPLOAD_HOURS, PlannedUploads, cutoff_before_uploads, planned_uploads
from harvester.storage import Unread, UnreadReason, Upload, UploadList

NOW = 1_700_000_000.999
DAY = UPLOAD_HOURS * 3600
UNREAD = Unread(UnreadReason.DENIED, "s3:ListBucketMultipartUploads", "AccessDenied", "R1")


def uploads(*ages: float) -> UploadList:
    return UploadList([Upload(f"r/{number}", NOW - age) for number, age in enumerate(ages)])


def test_the_cutoff_is_before_the_first_upload_in_progress() -> None:
    begun = [Upload("r/a", 1_699_999_990.0), Upload("r/b", 1_699_999_700.25), Upload("r/c", 1_699_999_800.0)]
    assert cutoff_before_uploads(UploadList(begun), NOW) == (1_699_999_699.0, PlannedUploads(in_progress=3))
    assert cutoff_before_uploads(UploadList([]), NOW) == (NOW, PlannedUploads())


def test_an_upload_that_begins_later_is_behind_the_cutoff_already() -> None:
    assert cutoff_before_uploads(uploads(-0.001, -60), NOW) == (NOW, PlannedUploads())


def test_an_abandoned_upload_is_named_and_not_waited_for() -> None:
    assert cutoff_before_uploads(uploads(DAY + 1, 10), NOW) == (
        1_699_999_989.0,
        PlannedUploads(in_progress=1, abandoned=1, abandoned_keys=("r/0",)),
    )
    many = cutoff_before_uploads(uploads(*[DAY + 1] * 12), NOW)
    assert many == (NOW, PlannedUploads(abandoned=12, abandoned_keys=tuple(f"r/{number}" for number in range(10))))


def test_where_there_are_more_than_are_listed_the_cutoff_is_before_all_that_are_not_abandoned() -> None:
    listed = uploads(10)._replace(is_complete=False)
    assert cutoff_before_uploads(listed, NOW) == (NOW - DAY, PlannedUploads(in_progress=1, is_complete=False))


def test_unknown_uploads_leave_the_cutoff_and_are_stated() -> None:
    listed = UploadList([], is_complete=False, unread=UNREAD)
    assert cutoff_before_uploads(listed, NOW) == (NOW, PlannedUploads(is_complete=False, unread=UNREAD))


@given(st.lists(st.floats(-100, DAY + 100)))
def test_each_upload_is_behind_the_cutoff_or_counted_as_abandoned(ages: list[float]) -> None:
    listed = uploads(*ages)
    cutoff, planned = cutoff_before_uploads(listed, NOW)
    # Stores date the object by the second in which its upload began.
    before = [upload for upload in listed.uploads if upload.initiated // 1 <= cutoff]
    assert len([upload for upload in before if upload.initiated < NOW - DAY]) <= planned.abandoned
    assert all(upload.initiated < NOW - DAY for upload in before if upload.initiated <= NOW)
    assert cutoff <= NOW


@pytest.mark.parametrize(
    "planned", [PlannedUploads(), PlannedUploads(2, 11, ("r/\udc80",), False), PlannedUploads(unread=UNREAD)]
)
def test_planned_uploads_are_stored_and_read_back_equal(planned: PlannedUploads) -> None:
    assert planned_uploads(json.loads(json.dumps(planned.as_document()))) == planned
