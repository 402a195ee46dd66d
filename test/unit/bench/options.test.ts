import { expect, test } from "vitest";
import { parseOptions } from "../../bench/options.ts";

const scenarios = ["bulk", "overload"];

test("lists and numbers", () => {
  const options = parseOptions(["--flows", "10,200", "--bursts", "8", "--live-flows", "500"], scenarios);
  expect(options).toMatchObject({ flows: [10, 200], bursts: [8], liveFlows: 500, scenarios });
  expect(parseOptions(["--scenario", "overload"], scenarios).scenarios).toEqual(["overload"]);
});

test.each([
  [["--flows", "10,x"], "--flows x"],
  [["--rate", "0"], "--rate 0"],
  [["--seconds", "1.5"], "--seconds 1.5"],
  [["--bursts", "1025"], "from 1 to 1024"],
  [["--round", "5"], "--round"],
  [["--scenario", "bulk,overlaod"], "--scenario overlaod: allowed are bulk, overload"],
])("%j is refused with what is allowed", (args, message) => {
  expect(() => parseOptions(args, scenarios)).toThrow(message);
});
