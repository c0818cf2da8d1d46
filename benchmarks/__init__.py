"""What a lock costs, measured against plain Celery."""
