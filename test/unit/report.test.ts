import { expect, test } from "vitest";
import { demandReasons, summaryLine, tallyGoogleTest, tallyJUnit } from "../report.ts";

test("GoogleTest: a suppressed and a skipped test are skipped; the second says why", () => {
  const testsuite = [
    { name: "Passes", classname: "A", status: "RUN", result: "COMPLETED" },
    { name: "Fails", classname: "A", status: "RUN", result: "COMPLETED", failures: [{ failure: "x" }] },
    { name: "Skips", classname: "A", status: "RUN", result: "SKIPPED", skipped: [{ message: "a_test.cc:3\nno IPv6" }] },
    { name: "DISABLED_Off", classname: "A", status: "NOTRUN", result: "SUPPRESSED" },
  ];
  expect(tallyGoogleTest(JSON.stringify({ testsuites: [{ testsuite }] }))).toEqual({
    passed: 1,
    failed: 1,
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
  expect(demandReasons({ passed: 1, failed: 1, skipped })).toEqual({
    tally: { passed: 1, failed: 3, skipped: [{ name: "with", reason: "no IPv6 here" }] },
    unexplained: ["without", "blank"],
  });
});

test("JUnit of ctest", () => {
  const text = `<?xml version="1.0"?>
<testsuite name="x" tests="3" failures="1" disabled="0" skipped="1" hostname="h" time="0">
  <testcase name="replay.a" status="run"><system-out>ok</system-out></testcase>
  <testcase name="replay.b" status="fail"><failure message="crash"/></testcase>
  <testcase name="replay.c" classname="replay.c" time="0" status="notrun"><skipped message="no corpus"/></testcase>
</testsuite>`;
  expect(tallyJUnit(text)).toEqual({ passed: 1, failed: 1, skipped: [{ name: "replay.c", reason: "no corpus" }] });
});

test("the last line sums all runners", () => {
  const tallies = [
    { passed: 2, failed: 0, skipped: [] },
    { passed: 3, failed: 1, skipped: [{ name: "a", reason: "b" }] },
  ];
  expect(summaryLine(tallies)).toBe("5 passed, 1 failed, 1 skipped");
});
