"""Load botocore's service models faster than botocore: most of what its clients cost to make."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from botocore.loaders import JSONFileLoader, Loader


class _Files(JSONFileLoader):
    """Reads one description."""

    def load_file(self, file_path: str) -> Mapping[str, Any] | None:
        """Return what the file holds, None when there is none."""
        for suffix, open_file in ((".json", open), (".json.gz", gzip.open)):
            try:
                with open_file(file_path + suffix, "rb") as file:
                    found: Mapping[str, Any] = orjson.loads(file.read())
                    return found
            except FileNotFoundError:
                continue
        return None


class _Descriptions(Loader):
    """Finds service_model_loader in botocore's own folder and in those the user has named."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002  # what botocore asks with
        """Return every service that has a folder; botocore reads each of the 400."""
        folders = [folder for folder in self.search_paths if os.path.isdir(folder)]  # noqa: PTH112  # strings of botocore
        return sorted({name for folder in folders for name in os.listdir(folder)})  # noqa: PTH208  # as above


@cache
def service_model_loader(data_path: str | None) -> Loader:
    """Return the one loader of all sessions; ``data_path`` is botocore's setting of that name."""
    named = data_path.split(os.pathsep) if data_path else []
    return _Descriptions(
        extra_search_paths=[os.path.expanduser(os.path.expandvars(path)) for path in named],  # noqa: PTH111  # as botocore
        file_loader=_Files(),
    )
