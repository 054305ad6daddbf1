/**
 * Traces of a relay by OpenTelemetry. Deno itself collects and exports them, as configured by the variables `OTEL_…`;
 * its own spans of HTTP requests to CrateDB are inside the relay's.
 *
 * @see https://docs.deno.com/runtime/fundamentals/open_telemetry/
 */
import { type Span, SpanStatusCode, trace as telemetry } from "@opentelemetry/api";
import { type Listener, on } from "../pipeline/status/events.ts";
import type { Trace } from "../pipeline/status/stages.ts";
import { messageOf } from "../util/errors.ts";

/**
 * Runs work in spans. `listen` adds stages, and the size of a batch, to the open one.
 *
 * @param stream the attribute `cdc.stream` of each span; empty for none
 */
export function openTracing(
  version: string,
  stream = "",
): { readonly listen: Listener; readonly trace: Trace } {
  const tracer = telemetry.getTracer("cdc-relay", version);
  const attributes = stream === "" ? {} : { "cdc.stream": stream };
  return {
    trace: (name, work) =>
      tracer.startActiveSpan(name, { attributes }, async (span) => {
        try {
          return await work();
        } catch (error) {
          fail(span, error);
          throw error;
        } finally {
          span.end();
        }
      }),
    listen: on({
      stageDone: ({ stage, seconds }) => {
        // The stage `read` is in no span.
        if (!telemetry.getActiveSpan()) return;
        const now = Date.now();
        tracer.startSpan(stage, { attributes, startTime: now - seconds * 1_000 }).end(now);
      },
      batchApplied: ({ events, bytes }) => {
        telemetry.getActiveSpan()?.setAttributes({ "cdc.events": events, "cdc.bytes": bytes });
      },
    }),
  };
}

function fail(span: Span, error: unknown): void {
  const message = messageOf(error);
  span.recordException({ name: error instanceof Error ? error.name : "Error", message });
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
