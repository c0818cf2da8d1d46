"""How a Celery task gets its guard."""
