"""Why a worklist query gave what it gave: every condition of a query against every step.

The database answers queries; this says in words why. Both read the same ``WorklistQuery``, and a
test proves over generated data that a step is in ``selectors.worklist.entries(query)`` exactly if
every condition here is met.
"""
