"""An app for Django: unique tasks in its checks, its database and its admin."""
