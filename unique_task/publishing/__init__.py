"""What happens to a guarded call on its way from ``delay()`` to the broker."""
