"""A listener among hostile clients: who is served, what it costs, when slots come back.

The listener runs in a process of its own, so that its memory and CPU are told from those of the
clients. ``RIS_TEST_SWARM=500`` asks for a swarm of full size (reliability.md R17 to R22).
"""
