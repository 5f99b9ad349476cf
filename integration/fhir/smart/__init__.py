"""SMART backend services (SMART App Launch 2.2): a client's key for a token of a few minutes."""
