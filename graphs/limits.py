"""What a request to the server may ask for at most.

Edit the numbers for your own machine: they bound how long one request holds a worker, and what it
costs you.
"""

from collections.abc import Mapping

LIMITS: Mapping[str, float] = {
    "max_rollouts": 256,
    "width": 16,
    "drafts": 16,
    "reward_samples": 4,
    "max_calls": 300,
    "max_seconds": 600,
    "max_attempts": 4,
    "max_retries": 4,
    "call_seconds": 120,
}
AGENT_CALLS = 600
"""Model calls of the agent for one question, those of all its searches included."""
