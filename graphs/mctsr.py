"""The search as LangGraph Studio and `langgraph dev` serve it.

The model is named by the environment variable MCTSR_MODEL and loaded at the first run. The server
brings its own checkpointer.
"""

from mctsr_graph import create_mctsr

graph = create_mctsr().compile(name="mctsr")
