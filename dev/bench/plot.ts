/**
 * The results as a picture, readable on light and on dark pages:
 *
 *     deno run -A dev/bench/plot.ts docs/benchmarks.json docs/benchmarks.svg
 */
import type { CpuTimes } from "./cpu.ts";
import type { Report, Result } from "./report.ts";

interface Bar {
  readonly label: string;
  readonly parts: readonly Part[];
  readonly figures: string;
  readonly isCeiling: boolean;
}

/** A length, from 0 to 1, drawn over the longer ones. */
interface Part {
  readonly length: number;
  readonly style: string;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 970;
const MARGIN = 16;
const LABEL = { x: MARGIN + 12, bar: 236 } as const;
const BAR = { width: 330, height: 12, distance: 18 } as const;
const FIGURES_X = LABEL.bar + BAR.width + 12;
const TITLE_HEIGHT = 26;
const GROUP_GAP = 8;

const STYLE = `
    svg { --ground: #ffffff; --line: #d0d7de; --text: #1f2328; --faint: #59636e; --bar: #0969da; --weak: #a8c7ee; --middle: #5b9be6; --ceiling: #d0d7de; }
    @media (prefers-color-scheme: dark) {
      svg { --ground: #0d1117; --line: #3d444d; --text: #e6edf3; --faint: #9198a1; --bar: #4493f8; --weak: #1c3a63; --middle: #2c66b0; --ceiling: #3d444d; }
    }
    text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: var(--text); }
    .heading { font-weight: 600; font-size: 14px; }
    .title { font-weight: 600; }
    .faint { fill: var(--faint); }
    .ground { fill: var(--ground); stroke: var(--line); }
    .bar, .p50 { fill: var(--bar); }
    .p90 { fill: var(--middle); }
    .p99 { fill: var(--weak); }
    .ceiling { fill: var(--ceiling); }`;

/** @example OUT: "<svg xmlns=…>…</svg>\n" */
export function plot({ date, versions, machine, results }: Report): string {
  const shapes: string[] = [];
  let y = MARGIN;
  const line = (text: string, style: string) => {
    y += TITLE_HEIGHT;
    shapes.push(textAt([MARGIN, y - 8], text, style));
  };
  const section = (heading: string, groups: readonly Group[]) => {
    if (groups.length === 0) return;
    line(heading, "heading");
    for (const { title, bars } of groups) {
      line(title, "title");
      for (const bar of bars) {
        shapes.push(...drawn(bar, y));
        y += BAR.distance;
      }
      y += GROUP_GAP;
    }
  };
  section(
    "Changes a second, part of what CrateDB takes ready-made, and µs of CPU a change: program + MongoDB + CrateDB",
    groupsOf(results.filter(({ delay }) => !delay), throughputBars),
  );
  line("ready-made: the same rows, converted beforehand, written by the relay's writer alone", "faint");
  line("drain alone: the same change stream, read to its end, with nothing done to the events", "faint");
  section(
    "Milliseconds from an insert to its row in a query: p50, p90, p99",
    groupsOf(results.filter(({ delay }) => delay), freshnessBars(longestDelay(results))),
  );
  const software = Object.entries(versions).map((entry) => entry.join(" ")).join(", ");
  const memory = Math.round(machine.memory / 2 ** 30);
  line(`${date.slice(0, 10)}; ${software}; ${machine.cpus} CPUs, ${memory} GiB, shared by all`, "faint");
  const height = y + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    `  <title id="title">Rates, CPU time and freshness of the relay, beside what the databases take and give alone.</title>`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    ...shapes.map((shape) => `  ${shape}`),
    "</svg>",
    "",
  ].join("\n");
}

const groupsOf = (
  results: readonly Result[],
  barsOf: (results: readonly Result[]) => readonly Bar[],
): Group[] =>
  [...Map.groupBy(results, ({ line }) => line)].map(([title, group]) => ({ title, bars: barsOf(group) }));

/** The longest bar of a line is the fastest. A line with one result has no bar: there is nothing to compare it with. */
function throughputBars(results: readonly Result[]): Bar[] {
  const most = Math.max(...results.map((each) => each.changesPerSecond));
  return results.map((result) => {
    const { changesPerSecond, reached, cpu } = result;
    const isCeiling = reached === undefined;
    const part = reached?.readyMade === undefined ? "" : `, ${Math.round(reached.readyMade * 100)} %`;
    return {
      label: labelOf(result),
      parts: results.length === 1
        ? []
        : [{ length: changesPerSecond / most, style: isCeiling ? "ceiling" : "bar" }],
      figures: `${Math.round(changesPerSecond).toLocaleString("en")}/s${part}${
        isCeiling ? "" : `; ${cpuText(cpu)}`
      }`,
      isCeiling,
    };
  });
}

const longestDelay = (results: readonly Result[]): number =>
  Math.max(...results.map(({ delay }) => delay?.p99 ?? 0));

const freshnessBars = (longest: number) => (results: readonly Result[]): Bar[] =>
  results.flatMap((result) => {
    const { delay } = result;
    if (!delay) return [];
    const figures = [delay.p50, delay.p90, delay.p99].map(Math.round).join(", ");
    const parts = (["p99", "p90", "p50"] as const).map((style) => ({
      length: delay[style] / longest,
      style,
    }));
    return [{ label: labelOf(result), parts, figures: `${figures} ms`, isCeiling: false }];
  });

const labelOf = ({ name, transport }: Result): string => transport ? `${name}, ${transport}` : name;

/** @example IN: {program: 31.8, mongodb: 11.2, cratedb: undefined} → OUT: "32 + 11 + ? µs" */
const cpuText = ({ program, mongodb, cratedb }: CpuTimes): string =>
  `${[program, mongodb, cratedb].map((each) => each === undefined ? "?" : Math.round(each)).join(" + ")} µs`;

function drawn({ label, parts, figures, isCeiling }: Bar, y: number): string[] {
  const style = isCeiling ? "faint" : "";
  return [
    textAt([LABEL.x, y + 10], label, style),
    ...parts.map(({ length, style }) =>
      `<rect class="${style}" x="${LABEL.bar}" y="${y}" width="${
        Math.max(1, length * BAR.width).toFixed(1)
      }" height="${BAR.height}"/>`
    ),
    textAt([FIGURES_X, y + 10], figures, style),
  ];
}

const textAt = ([x, y]: readonly [number, number], text: string, style: string): string =>
  `<text x="${x}" y="${y}"${style && ` class="${style}"`}>${escaped(text)}</text>`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

if (import.meta.main) {
  const [json = "docs/benchmarks.json", svg = "docs/benchmarks.svg"] = Deno.args;
  await Deno.writeTextFile(svg, plot(JSON.parse(await Deno.readTextFile(json))));
}
