"""What the pages for people have in common: that of the web, and Django's admin."""
