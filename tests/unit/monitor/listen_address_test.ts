import assert from "node:assert/strict";
import { parseListenAddress } from "../../../lib/monitor/http_server.ts";

const GOOD: readonly (readonly [string, string, number])[] = [
  ["127.0.0.1:9464", "127.0.0.1", 9464],
  ["localhost:0", "localhost", 0],
  ["0.0.0.0:65535", "0.0.0.0", 65535],
  ["[::1]:9464", "::1", 9464],
  ["relay-1.example.org:80", "relay-1.example.org", 80],
];

for (const [text, host, port] of GOOD) {
  Deno.test(`parseListenAddress() ${text}`, () => {
    assert.deepEqual(parseListenAddress(text), { host, port });
  });
}

for (
  const text of [
    "9464",
    ":9464",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "::1:9464",
    "[::1]",
    "http://127.0.0.1:9464",
    "127.0.0.1:9464/metrics",
    "user@host:1",
    "a b:1",
  ]
) {
  Deno.test(`parseListenAddress() refuses ${text}`, () => {
    assert.throws(() => parseListenAddress(text), /^RangeError: is not an address such as 127\.0\.0\.1:9464/);
  });
}
