"""The search as a chat: messages in, one message out. For Studio's chat mode.

The model is named by the environment variable MCTSR_MODEL and loaded at the first run. The server
brings its own checkpointer.
"""

from mctsr_graph import create_mctsr_agent

graph = create_mctsr_agent(name="chat")
