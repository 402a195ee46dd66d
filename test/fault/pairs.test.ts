import { describe, expect, test } from "vitest";
import { formatReport } from "../../host/doctor/text.ts";
import { PAIRS } from "./scenes/pairs.ts";
import { play } from "./stage/play.ts";

describe.concurrent("two faults at once are both named, in path order", () => {
  for (const pair of PAIRS) {
    test(pair.faults, async () => {
      const { report } = await play(pair);
      const losses = report.findings.filter(({ severity }) => severity === "loss");
      const named = losses.map(({ handOff, verdict }) => ({ handOff, verdict }));
      expect(named, formatReport(report)).toEqual(pair.verdicts);
      expect(report.firstLosing).toBe(pair.verdicts[0]!.handOff);
      expect(report.exitCode).toBe(1);
    });
  }
});
