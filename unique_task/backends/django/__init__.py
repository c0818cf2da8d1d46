"""Locks in one of Django's caches or databases."""
