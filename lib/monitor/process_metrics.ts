/**
 * CPU and memory of the process, under the names that dashboards for Node.js know. Those of prom-client read `/proc`,
 * which takes a permission that the relay does without, and are 0 where they cannot.
 */
import process from "node:process";

const MICROSECONDS = 1_000_000;

export function processMetrics() {
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    counters: {
      process_cpu_user_seconds_total: user / MICROSECONDS,
      process_cpu_system_seconds_total: system / MICROSECONDS,
      process_cpu_seconds_total: (user + system) / MICROSECONDS,
    },
    gauges: {
      process_start_time_seconds: Math.round(performance.timeOrigin / 1_000),
      process_resident_memory_bytes: rss,
      nodejs_heap_size_total_bytes: heapTotal,
      nodejs_heap_size_used_bytes: heapUsed,
      nodejs_external_memory_bytes: external,
    },
  };
}
