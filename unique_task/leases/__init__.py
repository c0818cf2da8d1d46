"""A lock that an attempt holds: renewed while the body runs, then released."""
