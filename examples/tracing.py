"""Send the runs of a search to OpenTelemetry: a span for each node and each model call.

LangChain's own tracer writes the spans (`pip install "langsmith[otel]"`); no LangSmith account is
needed. Give the provider a span processor of your collector instead of the one below.
"""

from langsmith import Client, tracing_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, solve


def main() -> None:
    """Search with tracing on, and print what every model call was for."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    client = Client(tracing_mode="otel", otel_tracer_provider=provider)
    with tracing_context(enabled=True, client=client):
        solve(PROBLEM, pupil(), context=MCTSrContext(profile="paper", max_rollouts=2))
    client.flush()
    for span in sorted(spans.get_finished_spans(), key=lambda span: span.start_time or 0):
        told = span.attributes or {}
        if "langsmith.metadata.mctsr_role" in told:
            print("rollout", told["langsmith.metadata.mctsr_rollout"], end=": ")
            print(span.name, "took", told["gen_ai.usage.total_tokens"], "tokens")


if __name__ == "__main__":
    main()
