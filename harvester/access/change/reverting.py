"""Plan to put policies back exactly as a backup holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harvester.access.change.applying import unreadable_policy
from harvester.access.change.backups import SavedPolicy, find_backup
from harvester.access.change.planning import PolicyEdit, PolicyPlan, parsed_policy
from harvester.access.change.policy_store import BucketPolicyStore, GcsPolicyStore, KeyPolicyStore, PolicyStore
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import GcsSettingsReader, S3SettingsReader, Unread
from policies import document, dump_json, same_meaning


def plan_revert(
    location: Location | str,
    *,
    backup: str | None = None,
    backup_dir: Path | None = None,
    kms_profile: str | None = None,
    settings: StoreSettings | None = None,
) -> PolicyPlan:
    """Plan to put the policies of a bucket, and of its key, back as a backup holds them; reads, writes nothing.

    Without ``backup`` the newest that an apply made. Raises UsageError where there is none.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    if place.scheme == "file":
        raise UsageError(
            f"{place.url} is a directory",
            cause="only a bucket has a policy",
            code=ErrorCode.BUCKET_REQUIRED,
            subject=place.url,
        )
    chosen = find_backup(backup_dir, place.scheme, place.bucket, backup)
    settings = settings or StoreSettings()
    store_of = _stores(place, settings, kms_profile)
    changes = []
    notes = [f"puts back what {chosen.path} holds, of {chosen.at}"]
    for saved in chosen.policies:
        if saved.kind != "kms" and saved.resource != place.bucket:
            raise UsageError(
                f"{chosen.path} is about {saved.resource}",
                cause=f"the location is {place.url}",
                code=ErrorCode.BACKUP_OF_ANOTHER_BUCKET,
                subject=str(chosen.path),
                parameters={"resource": f"{place.scheme}://{saved.resource}"},
            )
        change = _reverted(store_of(saved), saved)
        changes.append(change)
        replaced_by = parsed_policy(change.store, saved.replaced_by)
        if change.changed and not same_meaning(change.before, replaced_by):
            notes.append(f"{change.store.name} was changed by another writer after that: that change is undone too")
    return PolicyPlan(Location(place.scheme, place.bucket, ""), tuple(changes), (), tuple(notes), None, "revert")


def _stores(place: Location, settings: StoreSettings, kms_profile: str | None) -> Callable[[SavedPolicy], PolicyStore]:
    def store_of(saved: SavedPolicy) -> PolicyStore:
        if saved.kind == "gcs":
            return GcsPolicyStore(GcsSettingsReader(place.bucket, settings))
        reader = S3SettingsReader(place.bucket, settings, kms_profile=kms_profile)
        return KeyPolicyStore(reader.keys, saved.resource) if saved.kind == "kms" else BucketPolicyStore(reader)

    return store_of


def _reverted(store: PolicyStore, saved: SavedPolicy) -> PolicyEdit:
    text = store.read()
    if isinstance(text, Unread):
        raise unreadable_policy(store.name, text)
    before = parsed_policy(store, text)
    after, after_text = parsed_policy(store, saved.policy), saved.policy
    if store.kind == "gcs" and after_text is not None:
        # The etag is that of the policy it replaces now, not of the one it comes from.
        value = {**after.value, "etag": before.value.get("etag", "")}
        after, after_text = document(value, kind="gcs", source=store.resource), dump_json(value)
    # The text is compared, not only its meaning: what is put back is exactly what was there.
    same = text == saved.policy if store.kind != "gcs" else same_meaning(before, after)
    step = "remove it: there was none before" if after_text is None else "put it back as it was"
    return PolicyEdit(store, text, before, after_text, after, () if same else (step,), None, None)
