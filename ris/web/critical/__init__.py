"""Critical results: the list by time left, the calls, the categories."""
