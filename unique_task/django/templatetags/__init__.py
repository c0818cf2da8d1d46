"""What the templates of the admin use."""
