"""Celery's own unit tests, run with plain Celery, beside us, and under our guard."""
