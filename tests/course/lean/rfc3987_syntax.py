"""Stands before the module of this name on the path of the tests' Jupyter servers, and says that it is not there.

jsonschema imports it if it can, for formats that none of Jupyter's schemas has: it costs each start a second.
"""

raise ImportError("left out of the servers of the tests")
