"""Runnable examples: `python -m examples.NAME`. All run offline.

By job. With a model's name as argument, or in MCTSR_MODEL, they ask that model.

- agent_tool: a maths tool in an agent.
- batch_csv: the problems of a CSV file, with a progress bar; a second run goes on.
- code_tests: code, with unit tests as the judge; over when all pass.
- free_text: a text without a final answer, judged by a rubric.
- by_schema: answers as JSON of a schema; a function says which are equal.
- person: a person gives the points, while the graph waits.
- two_models: a cheap model drafts, a stronger one judges.
- service: a FastAPI service.

Parts of your own graphs and agents.

- router: a node in a larger graph; easy questions are answered at once.
- chain: a link in an LCEL chain, with batch.
- middleware: an agent that you have searches where it is hard.
- chat_agent: messages in, one message out, for supervisors and swarms.
- parent_checkpointer: after a crash the parent graph goes on within the search.
- stream_events: an event for each rollout.
- tracing: spans for OpenTelemetry.

Steps into a search.

- solve_offline: the one call that most people need.
- embedded: the same with the model of this package.
- steering: prune a branch, write a critique, undo both.
- fork: two futures of one search.
- own_prompt: a critic in your words.
- own_strategy: a strategy of your own.

first_search.ipynb is a first search in a notebook, and scripted has the models of the others.
"""
