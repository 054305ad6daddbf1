/**
 * The seconds that the tests of each file took, from a JUnit report of `deno test`.
 *
 * @example
 * IN: <testsuite name="./a_test.ts"><testcase time="0.5"></testcase><testcase time="1.0"></testcase></testsuite>
 * OUT: {"./a_test.ts": 1.5}
 */
export function secondsPerFile(report: string): Record<string, number> {
  const suites = report.matchAll(/<testsuite name="([^"]*)"(.*?)<\/testsuite>/gs);
  return Object.fromEntries(
    Array.from(suites, ([, name = "", cases = ""]) => {
      const times = Array.from(
        cases.matchAll(/<testcase [^>]*?\btime="([\d.]+)"/g),
        ([, time]) => Number(time),
      );
      return [name, times.reduce((sum, time) => sum + time, 0)];
    }),
  );
}

/** The files that took longest, the slowest first. IN: {a: 1, b: 3, c: 2}, 2 → OUT: [["b", 3], ["c", 2]] */
export const slowest = (files: Readonly<Record<string, number>>, count: number): [string, number][] =>
  Object.entries(files).sort(([, one], [, other]) => other - one).slice(0, count);
