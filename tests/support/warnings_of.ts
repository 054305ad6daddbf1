/**
 * The warnings in log lines, without those about databases that do not exist yet: MongoDB has databases of other tests.
 *
 * @example
 * IN: ["… INFO  Ready", "… WARN  No database matches yet name=test_1", "… WARN  Low"] → OUT: ["… WARN  Low"]
 */
export const warningsOf = (stderr: readonly string[]): string[] =>
  stderr.filter((line) => / WARN /.test(line) && !/ matches yet /.test(line));
