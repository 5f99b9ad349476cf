"""Fuzzing of what peers send: targets, seeds, a mutator, and three ways to run them.

* ``test_fuzz.py``: a few thousand inputs in the normal suite.
* ``python -m tests.fuzz`` (``make fuzz``): as many as one wants, from a number that repeats them.
* ``python -m tests.fuzz.coverage_guided TARGET``: under atheris, where it is installed.
"""
