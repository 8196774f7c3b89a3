"""The bucket as system of record: records, sidecars, snapshots and the fencing token."""
