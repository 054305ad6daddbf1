import "/work/main/tests/support/cratedb_harness.ts";
Deno.test("slow", () => new Promise(r => setTimeout(r, 60000)));
