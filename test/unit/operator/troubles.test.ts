import { expect, it } from "vitest";
import { Troubles } from "../../../operator/troubles.ts";

it("says a trouble once, and again after it was over", () => {
  const said: string[] = [];
  const say = (_: unknown, text: string) => void said.push(text);
  const troubles = new Troubles({ warn: say, info: say } as never);
  troubles.say("pods", new Error("403"));
  troubles.say("pods", new Error("403"));
  expect([troubles.of("pods"), troubles.of("nodes")]).toEqual(["403", undefined]);
  troubles.over("pods");
  troubles.over("pods");
  troubles.say("pods", new Error("403"));
  expect(said).toEqual(["pods: 403", "pods: followed again", "pods: 403"]);
});
