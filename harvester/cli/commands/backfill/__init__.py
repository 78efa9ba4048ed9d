"""``backfill``: one module for each verb."""
