"""Messages to the inboxes of executions."""
