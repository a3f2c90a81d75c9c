"""What to do next, when to stop and which answer to return: the paper's way, and others.

Every module of this folder is imported, so that a strategy is there once its file is.
"""

from importlib import import_module
from pkgutil import walk_packages

from mctsr_graph.strategies.paper import PaperStrategy
from mctsr_graph.strategies.strategy import Roots, Search, Strategy
from mctsr_graph.tree.task import Task

__all__ = ["PaperStrategy", "Roots", "Search", "Strategy", "Task"]

for _found in walk_packages(__path__, f"{__name__}."):
    import_module(_found.name)
