"""What the CapabilityStatement refers to, made from the tables that do the work.

OperationDefinition, SearchParameter and CodeSystem are computed and never stored. There are no
profiles and no extensions of our own, so there is no StructureDefinition to serve.
"""
