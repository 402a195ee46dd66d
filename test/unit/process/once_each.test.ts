import { expect, it } from "vitest";
import { onceEach } from "../../../process/once_each.ts";

it("says a trouble once, and again after another", () => {
  const said: string[] = [];
  const say = onceEach(({ message }) => said.push(message));
  for (const message of ["no route", "no route", "401", "401", "no route"]) say(new Error(message));
  expect(said).toEqual(["no route", "401", "no route"]);
});

it("says the same trouble again once it was over", () => {
  const said: string[] = [];
  const say = onceEach(({ message }) => said.push(message));
  say(new Error("401"));
  say.forget();
  say(new Error("401"));
  expect(said).toEqual(["401", "401"]);
});
