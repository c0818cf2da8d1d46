"""Calls that wait for a lock in their worker, and which of them starts next."""
