"""What happens to calls, counted and brought to the store of their locks."""
