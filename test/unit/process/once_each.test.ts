import { expect, it } from "vitest";
import { onceEach } from "../../../process/once_each.ts";

it("says a trouble once, and again after another", () => {
  const said: string[] = [];
  const say = onceEach(({ message }) => said.push(message));
  for (const message of ["no route", "no route", "401", "401", "no route"]) say(new Error(message));
  expect(said).toEqual(["no route", "401", "no route"]);
});
