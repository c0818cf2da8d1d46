"""What users configure, and what it means for one call."""
