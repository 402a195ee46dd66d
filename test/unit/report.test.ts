import { expect, test } from "vitest";
import { closingLines, demandReasons, oneLine, tallyGoogleTest, tallyJUnit } from "../report.ts";

test("GoogleTest: a suppressed and a skipped test are skipped; the second says why", () => {
  const testsuite = [
    { name: "Passes", classname: "A", status: "RUN", result: "COMPLETED" },
    {
      name: "Fails",
      classname: "A",
      status: "RUN",
      result: "COMPLETED",
      failures: [{ failure: "a_test.cc:9\nExpected: 1" }],
    },
    { name: "Skips", classname: "A", status: "RUN", result: "SKIPPED", skipped: [{ message: "a_test.cc:3\nno IPv6" }] },
    { name: "DISABLED_Off", classname: "A", status: "NOTRUN", result: "SUPPRESSED" },
  ];
  expect(tallyGoogleTest(JSON.stringify({ testsuites: [{ testsuite }] }))).toEqual({
    passed: 1,
    failed: [{ name: "A.Fails", reason: "a_test.cc:9 Expected: 1" }],
    skipped: [
      { name: "A.Skips", reason: "no IPv6" },
      { name: "A.DISABLED_Off", reason: "" },
    ],
  });
});

test("a test that is skipped without a reason is a failure", () => {
  const skipped = [
    { name: "with", reason: "no IPv6 here" },
    { name: "without", reason: "" },
    { name: "blank", reason: " " },
  ];
  const failed = [{ name: "broken", reason: "Expected: 1" }];
  expect(demandReasons({ passed: 1, failed, skipped })).toEqual({
    passed: 1,
    failed: [
      { name: "broken", reason: "Expected: 1" },
      { name: "without", reason: "skipped without a reason" },
      { name: "blank", reason: "skipped without a reason" },
    ],
    skipped: [{ name: "with", reason: "no IPv6 here" }],
  });
});

test("JUnit of ctest", () => {
  const text = `<?xml version="1.0"?>
<testsuite name="x" tests="3" failures="1" disabled="0" skipped="1" hostname="h" time="0">
  <testcase name="replay.a" status="run"><system-out>ok</system-out></testcase>
  <testcase name="replay.b" status="fail"><failure message="crash"/></testcase>
  <testcase name="replay.c" classname="replay.c" time="0" status="notrun"><skipped message="no corpus"/></testcase>
</testsuite>`;
  expect(tallyJUnit(text)).toEqual({
    passed: 1,
    failed: [{ name: "replay.b", reason: "crash" }],
    skipped: [{ name: "replay.c", reason: "no corpus" }],
  });
});

test("the last lines name what failed or was skipped, and sum all runners", () => {
  const tallies = [
    { passed: 2, failed: [], skipped: [] },
    { passed: 3, failed: [{ name: "net: c", reason: "d" }], skipped: [{ name: "a", reason: "b" }] },
  ];
  expect(closingLines(tallies)).toEqual(["skipped: a: b", "failed: net: c: d", "5 passed, 1 failed, 1 skipped"]);
});

test("a reason is one line without colours, and has an end", () => {
  expect(oneLine("\u001b[31mexpected\u001b[39m 1\n  to be 2\n")).toBe("expected 1 to be 2");
  expect(oneLine("x".repeat(1000))).toHaveLength(401);
});
