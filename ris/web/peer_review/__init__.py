"""Peer review: what a reader is to review, what was said of his reports, the manager's rates."""
