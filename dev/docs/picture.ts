/**
 * The README's picture of documents that become rows, `docs/rows.svg`.
 *
 * Readable on light and on dark pages; its own ground makes it independent of the page's.
 */

/** What is marked does not fit its column. */
interface Text {
  readonly text: string;
  readonly marked?: true;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly x: number;
}

const DOCUMENTS: readonly (readonly (readonly Text[])[])[] = [
  [
    [{ text: `{_id: 1, device: "foo",` }],
    [{ text: ` temperature: 42.42,` }],
    [{ text: ` at: ISODate("2024-07-12T01:17:42Z")}` }],
  ],
  [
    [{ text: `{_id: 2, device: "bar",` }],
    [{ text: ` temperature: ` }, { text: `"n/a"`, marked: true }, { text: "," }],
    [{ text: ` at: ISODate("2024-07-12T01:17:43Z")}` }],
  ],
  [
    [{ text: `{_id: 3, device: "foo",` }],
    [{ text: ` temperature: 41.0,` }],
    [{ text: ` at: ISODate("2024-07-12T01:17:44Z")}` }],
  ],
];

const OID: Column = { name: "oid", type: "TEXT", x: 380 };
const DATA: readonly Column[] = [
  { name: "_id", type: "BIGINT", x: 434 },
  { name: "device", type: "TEXT", x: 494 },
  { name: "temperature", type: "DOUBLE", x: 556 },
  { name: "at", type: "TIMESTAMP", x: 652 },
];
const OVERFLOW: Column = { name: "overflow", type: "OBJECT", x: 800 };

/** As the relay places DOCUMENTS, in the order of the columns. */
const ROWS: readonly (readonly Text[])[] = [
  ["1", "1", "foo", "42.42", "2024-07-12 01:17:42", "NULL"].map((text) => ({ text })),
  [
    ...["2", "2", "bar", "NULL", "2024-07-12 01:17:43"].map((text) => ({ text })),
    { text: `{"temperature":"n/a"}`, marked: true },
  ],
  ["3", "3", "foo", "41.0", "2024-07-12 01:17:44", "NULL"].map((text) => ({ text })),
];

const SIZE = { width: 970, height: 248 } as const;
const LEFT = { x: 16, width: 286 } as const;
const RIGHT = { x: 368, width: SIZE.width - 16 - 368 } as const;
const TITLE = 30;
const TOP = 46;
const CARD = { height: 58, distance: 64 } as const;
const HEADING = { group: TOP + 18, rule: TOP + 25, name: TOP + 42, type: TOP + 57, height: 66 } as const;
const ROW = { baseline: 25, height: 40 } as const;

const STYLE = `
    svg { --ground: #ffffff; --panel: #f6f8fa; --line: #d0d7de; --text: #1f2328; --faint: #59636e; --mark: #9a3f00; }
    @media (prefers-color-scheme: dark) {
      svg { --ground: #0d1117; --panel: #161b22; --line: #3d444d; --text: #e6edf3; --faint: #9198a1; --mark: #ffb757; }
    }
    text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--text); white-space: pre; }
    .heading { font: 600 13px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }
    .name { font-weight: 600; }
    .small { font-size: 11px; }
    .faint { fill: var(--faint); }
    .marked { fill: var(--mark); font-weight: 600; }
    .ground { fill: var(--ground); stroke: var(--line); }
    .panel { fill: var(--panel); stroke: var(--line); }
    .rule { stroke: var(--line); fill: none; }
    .arrow { stroke: var(--faint); fill: none; stroke-width: 2; }`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function textAt([x, y]: readonly [number, number], spans: readonly Text[], style = ""): string {
  const content = spans.map(({ text, marked }) =>
    marked ? `<tspan class="marked">${escaped(text)}</tspan>` : escaped(text)
  );
  return `<text x="${x}" y="${y}"${style && ` class="${style}"`}>${content.join("")}</text>`;
}

const box = (style: string, [x, y, width, height]: readonly [number, number, number, number]): string =>
  `<rect class="${style}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;

const card = (lines: readonly (readonly Text[])[], index: number): string[] => {
  const y = TOP + index * CARD.distance;
  return [
    box("panel", [LEFT.x, y, LEFT.width, CARD.height]),
    ...lines.map((line, number) => textAt([LEFT.x + 12, y + 18 + number * 16], line)),
  ];
};

const heading = ({ name, type, x }: Column): string[] => [
  textAt([x, HEADING.name], [{ text: name }], "name"),
  textAt([x, HEADING.type], [{ text: type }], "small faint"),
];

const row = (cells: readonly Text[], index: number): string[] => {
  const y = TOP + HEADING.height + index * ROW.height;
  const columns = [OID, ...DATA, OVERFLOW];
  return [
    `<path class="rule" d="M${RIGHT.x} ${y}h${RIGHT.width}"/>`,
    ...cells.map((cell, number) =>
      textAt(
        [columns[number]?.x ?? 0, y + ROW.baseline],
        [cell],
        cell.text === "NULL" ? "small faint" : "small",
      )
    ),
  ];
};

/** @example OUT: "<svg xmlns=…>…</svg>\n" */
export function picture(): string {
  const bottom = TOP + 2 * CARD.distance + CARD.height;
  const first = DATA[0]?.x ?? 0;
  const middle = (TOP + bottom) / 2;
  const shapes = [
    box("ground", [0.5, 0.5, SIZE.width - 1, SIZE.height - 1]),
    textAt([LEFT.x, TITLE], [{ text: "MongoDB: documents of weather.readings" }], "heading"),
    ...DOCUMENTS.flatMap(card),
    `<path class="arrow" d="M312 ${middle}h44m-8 -6l8 6l-8 6"/>`,
    textAt([RIGHT.x, TITLE], [{ text: `CrateDB: rows of "weather"."readings"` }], "heading"),
    box("panel", [RIGHT.x, TOP, RIGHT.width, bottom - TOP]),
    textAt([first, HEADING.group], [{ text: "data" }], "name"),
    textAt([first + 36, HEADING.group], [{ text: "OBJECT" }], "small faint"),
    `<path class="rule" d="M${first} ${HEADING.rule}H${OVERFLOW.x - 16}"/>`,
    ...[OID, ...DATA, OVERFLOW].flatMap(heading),
    ...ROWS.flatMap(row),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}" height="${SIZE.height}" role="img" aria-labelledby="title">`,
    `  <title id="title">Documents of a MongoDB collection become rows of a CrateDB table, each field in a typed column; a value that does not fit its column is kept in overflow.</title>`,
    `  <style>${STYLE}\n  </style>`,
    ...shapes.map((shape) => `  ${shape}`),
    "</svg>",
    "",
  ].join("\n");
}
