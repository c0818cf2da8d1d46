"""What Celery's messages and results carry for the guard."""
