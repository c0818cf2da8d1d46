"""Another app of the project: it sends mails."""
