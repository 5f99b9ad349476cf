"""Whole stories of IHE Scheduled Workflow, told over real sockets to a running RIS."""
