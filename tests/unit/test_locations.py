"""What is meant by a location that is written as another program writes it."""

from __future__ import annotations

import pytest

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import parse_location


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("gcs://b1x/a/", "gs://b1x/a/"),
        ("s3a://b1x/a/", "s3://b1x/a/"),
        ("S3N://b1x", "s3://b1x"),
        ("https://b1x.s3.amazonaws.com/a/b%20c/", "s3://b1x/a/b c/"),
        ("https://b1x.s3.eu-west-1.amazonaws.com/a/?versionId=1", "s3://b1x/a/"),
        ("https://my.b1x.s3-eu-west-1.amazonaws.com", "s3://my.b1x/"),
        ("https://b1x.s3.dualstack.eu-west-1.amazonaws.com/a", "s3://b1x/a"),
        ("https://s3.amazonaws.com/b1x/a/", "s3://b1x/a/"),
        ("https://s3.eu-west-1.amazonaws.com/b1x", "s3://b1x/"),
        ("https://s3-eu-west-1.amazonaws.com/b1x/a/", "s3://b1x/a/"),
        ("https://s3.console.aws.amazon.com/s3/buckets/b1x?region=eu-west-1&prefix=a/&tab=objects", "s3://b1x/a/"),
        ("https://eu-west-1.console.aws.amazon.com/s3/buckets/b1x?tab=objects", "s3://b1x/"),
        ("https://storage.googleapis.com/b1x/a/", "gs://b1x/a/"),
        ("https://storage.cloud.google.com/b1x/a.json", "gs://b1x/a.json"),
        ("https://b1x.storage.googleapis.com/a/", "gs://b1x/a/"),
        ("https://console.cloud.google.com/storage/browser/b1x/a;tab=objects?project=p", "gs://b1x/a"),
        ("“s3://b1x/a/”", "s3://b1x/a/"),
        ("'gs://b1x/a/'", "gs://b1x/a/"),
        ("«file:///a/»", "file:///a/"),
        ("“az://b1x/a/”", None),
        ("https://minio.example.com/b1x/a/", None),
        ("az://b1x/a/", None),
    ],
)
def test_another_scheme(text: str, meant: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        parse_location(text)
    assert raised.value.code is ErrorCode.SCHEME_UNKNOWN
    assert raised.value.parameters.get("meant") == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("arn:aws:s3:::b1x", "s3://b1x/"),
        ("arn:aws:s3:::b1x/a/*", "s3://b1x/a/"),
        ("arn:aws-cn:s3:::b1x/a", "s3://b1x/a"),
        ("arn:aws:sqs:eu-west-1:111122223333:q", None),
    ],
)
def test_an_arn(text: str, meant: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        parse_location(text)
    assert raised.value.code is ErrorCode.LOCATION_WITHOUT_SCHEME
    assert raised.value.parameters.get("meant") == meant


@pytest.mark.parametrize("text", ["s3://b1x/a/ ", " s3://b1x/a/", "gs://b1x/a/\n", "\tS3://b1x/a/"])
def test_a_space_around_a_location(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_location(text)
    assert raised.value.code is ErrorCode.LOCATION_WITH_SPACE
    assert raised.value.parameters == {"meant": text.strip()}


def test_a_space_inside_a_location_is_part_of_it() -> None:
    assert parse_location("s3://b1x/ a /").prefix == " a /"
    assert parse_location("file:///a ").prefix == "/a /"


@pytest.mark.parametrize(
    ("text", "folder", "glob"),
    [
        ("s3://b1x/a/*.json", "s3://b1x/a/", "*.json"),
        ("s3://b1x/a/2026-*/c/*.json", "s3://b1x/a/", "2026-*/c/*.json"),
        ("s3://b1x/*", "s3://b1x/", "*"),
        ("file:///a/b*/", "file:///a/", "b*"),
        ("s3://b1x/a/", "s3://b1x/a/", ""),
    ],
)
def test_a_glob_is_split_from_its_folder(text: str, folder: str, glob: str) -> None:
    assert parse_location(text).split_glob() == (parse_location(folder), glob)


@pytest.mark.parametrize("text", ["s3://b1x/\udcff/", "gs://b1x/a\udc80", "file:///\udcff/", "\udcff"])
def test_a_location_is_utf8(text: str) -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        parse_location(text)
