import { expect, test } from "vitest";
import { parseOptions } from "../../bench/options.ts";

test("lists and numbers", () => {
  const options = parseOptions(["--flows", "10,200", "--bursts", "8", "--rate", "500"]);
  expect(options).toMatchObject({ flows: [10, 200], bursts: [8], rate: 500 });
});

test.each([
  [["--flows", "10,x"], "--flows x"],
  [["--rate", "0"], "--rate 0"],
  [["--seconds", "1.5"], "--seconds 1.5"],
  [["--bursts", "1025"], "from 1 to 1024"],
  [["--round", "5"], "--round"],
])("%j is refused with what is allowed", (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
});
