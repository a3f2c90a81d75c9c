# The LangGraph server with the graphs of langgraph.json: what `langgraph dockerfile` writes, with a
# choice of providers' packages and a health check
FROM langchain/langgraph-api:3.11
ARG PACKAGES=langchain-openai

ADD . /deps/mctsr_graph
RUN PYTHONDONTWRITEBYTECODE=1 uv pip install --system --no-cache-dir -c /api/constraints.txt \
    -e "/deps/mctsr_graph[agents]" ${PACKAGES}
ENV LANGSERVE_GRAPHS='{"mctsr": {"path": "/deps/mctsr_graph/graphs/mctsr.py:served", "description": "Search for the answer of a maths problem: problem in, best answer out"}, "chat": {"path": "/deps/mctsr_graph/graphs/chat.py:served", "description": "The same search as a chat: the last question is answered by one message"}, "math_agent": {"path": "/deps/mctsr_graph/graphs/math_agent.py:served", "description": "An agent that calls the search as a tool where it has to be sure, within a budget"}, "pipeline": {"path": "/deps/mctsr_graph/graphs/pipeline.py:served", "description": "Easy problems are answered at once, hard ones are searched and explained"}}'

# No dependency may have taken the place of the server's own packages
RUN mkdir -p /api/langgraph_api /api/langgraph_runtime /api/langgraph_license && touch /api/langgraph_api/__init__.py /api/langgraph_runtime/__init__.py /api/langgraph_license/__init__.py
RUN PYTHONDONTWRITEBYTECODE=1 uv pip install --system --no-cache-dir --no-deps -e /api

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8000/ok', timeout=4)"]

WORKDIR /deps/mctsr_graph
