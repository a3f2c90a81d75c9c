"""The search as an agent: messages in, one message out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from typing_extensions import Unpack

from mctsr_graph.calls.request import Model
from mctsr_graph.calls.usage import Usage, total_cost
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.output import MCTSrOutput, Report, no_answer
from mctsr_graph.graph.spec import GraphOptions
from mctsr_graph.graph.state import MCTSrInput
from mctsr_graph.models.load import lazy_model
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.question import Block, as_question


class MCTSrAgentState(MessagesState, MCTSrInput, MCTSrOutput):
    """The conversation, and the search for an answer to its last question."""


MCTSrAgent = CompiledStateGraph[MCTSrAgentState, MCTSrContext, MessagesState, MessagesState]


def create_mctsr_agent(
    model: Model | str | None = None,
    *,
    name: str = "mctsr_agent",
    stream_tokens: bool = False,
    predicate: Callable[[str], bool] | None = None,
    tools: Sequence[BaseTool | Callable[..., Any]] = (),
    checkpointer: BaseCheckpointSaver[Any] | bool | None = None,
    **options: Unpack[GraphOptions],
) -> MCTSrAgent:
    """Build an agent that answers the last human message of a conversation by a search.

    It adds one `AIMessage`, named after the agent: the best answer, `usage_metadata` over all
    calls, and in `response_metadata["mctsr"]` the short `final_answer` and a `Report`. Earlier
    messages are not read: the question has to stand for itself. The search is a subgraph, so it
    is drawn, checkpointed and resumed with the graph around it.

    Args:
        model: As in `create_mctsr`.
        name: Name of the agent, by which a supervisor or a swarm knows it.
        stream_tokens: Whether the tokens of drafts, critiques, ... show up in
            `stream_mode="messages"` with `subgraphs=True`; without it no chat ever sees them.
        predicate: Says of the last human message whether it is worth a search; by default it
            always is. Otherwise the model replies to the conversation itself, by one call.
        tools: What the model may call where it replies itself, such as the handoff tools of
            langgraph-swarm.
        checkpointer: Where conversations are kept; under a parent graph its own is taken.
        **options: Whatever else `create_mctsr` takes: context, limits, prompts, journal, ...

    Raises:
        ConfigError: an option is wrong, or there are tools and no predicate, so none is called.
    """
    if tools and predicate is None:
        raise ConfigError("tools are given, but without a predicate each message is searched for")
    search = create_mctsr(model, **options).compile(name="mctsr")
    quiet: Any = search if stream_tokens else search.with_config(tags=[TAG_NOSTREAM])
    around = _Around(name, lazy_model(model), predicate, tools)
    builder = StateGraph(
        MCTSrAgentState, MCTSrContext, input_schema=MessagesState, output_schema=MessagesState
    )
    beside = ("talk",) if predicate is not None else ()
    builder.add_node("read", around.read, destinations=("mctsr", *beside))
    if predicate is not None:
        after = ("tools", END) if tools else (END,)
        builder.add_node("talk", around.talk, destinations=after)
    if tools:
        builder.add_node("tools", ToolNode(tools))
        builder.add_edge("tools", "talk")
    builder.add_node("mctsr", quiet)
    builder.add_node("reply", around.reply)
    builder.add_edge(START, "read")
    builder.add_edge("mctsr", "reply")
    builder.add_edge("reply", END)
    return builder.compile(checkpointer=checkpointer, name=name)


@dataclass(frozen=True)
class _Around:
    """The nodes around the search."""

    name: str
    model: Callable[[], Any]
    predicate: Callable[[str], bool] | None
    tools: Sequence[BaseTool | Callable[..., Any]]

    def read(self, state: MCTSrAgentState) -> Command[str]:
        """Take the problem from the conversation, if it is worth a search."""
        question = last_question(state["messages"])
        if self.predicate is None or self.predicate(as_question(question).text):
            return Command(update={"problem": question}, goto="mctsr")
        return Command(goto="talk")

    def talk(self, state: MCTSrAgentState) -> Command[str]:
        """Reply to the conversation, or call a tool."""
        chat = self.model()
        asked = chat.bind_tools(self.tools) if self.tools else chat
        said = asked.invoke(state["messages"]).model_copy(update={"name": self.name})
        return Command(update={"messages": [said]}, goto="tools" if said.tool_calls else END)

    def reply(self, state: MCTSrAgentState) -> dict[str, list[AIMessage]]:
        """Say what was found."""
        told = {"answer": state["answer"], "final_answer": state["final_answer"]}
        return {"messages": [as_message({**told, **(state["mctsr"] or {})}, self.name)]}


def last_question(messages: Sequence[AnyMessage]) -> str | list[Block]:
    """The last human message: its text, or its content blocks where it holds others.

    Raises:
        ConfigError: there is none, or it says nothing.
    """
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            given = message.content
            try:
                return as_question(given).content
            except ConfigError as error:
                raise ConfigError(f"the last human message is no problem: {error}") from None
    raise ConfigError("the conversation holds no human message; the last one is the problem")


def as_message(found: Mapping[str, Any], name: str | None = None) -> AIMessage:
    """What a search found, as a message of a chat. `found` has the fields of a `Solution`."""
    answer = found["answer"]
    told = {field: found[field] for field in ("final_answer", *Report.__annotations__)}
    return AIMessage(
        answer if answer is not None else no_answer(found),
        name=name,
        usage_metadata=as_usage_metadata(found["usage"]),
        response_metadata={"mctsr": told},
    )


def as_usage_metadata(usage: Usage) -> UsageMetadata:
    """The tokens of all roles, as LangChain counts them."""
    cost = total_cost(usage)
    total = cost["input_tokens"] + cost["output_tokens"]
    told = UsageMetadata(
        input_tokens=cost["input_tokens"],
        output_tokens=cost["output_tokens"],
        total_tokens=total,
    )
    cached, written = cost["cached_tokens"], cost["cache_write_tokens"]
    if cached or written:
        told["input_token_details"] = {"cache_read": cached, "cache_creation": written}
    if cost["reasoning_tokens"]:
        told["output_token_details"] = {"reasoning": cost["reasoning_tokens"]}
    return told
