import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { untilTrue } from "../net/process.ts";
import { ChangedFile } from "./stage/machine.ts";
import { Stage } from "./stage/stage.ts";

/* What a scene changes on the machine is put back, whatever becomes of the scene. */

/** Of the machine, and of no use to anybody while it is a little larger. */
const FILE = "/proc/sys/net/core/netdev_budget";
const words = (): string => readFileSync(FILE, "utf8").trim();
const other = (old: string): string => String(Number(old) + 1);

test("when the stage ends, also where another part of its end fails", async () => {
  const old = words();
  const stage = new Stage();
  await stage.change(FILE, other(old));
  expect(words()).toBe(other(old));
  stage.later(() => {
    throw new Error("a tool does not end");
  });
  await expect(stage.end()).rejects.toThrow("a tool does not end");
  expect(words()).toBe(old);
  expect(() => stage.onHost("true"), "the namespaces are gone").toThrow();
});

const CHILD = `
import { ChangedFile } from ${JSON.stringify(join(import.meta.dirname, "stage/machine.ts"))};
await ChangedFile.change(process.env.FILE, process.env.WORDS);
console.log("changed");
setInterval(() => {}, 1000);
`;

describe.each(["SIGTERM", "SIGKILL", "SIGINT"] as const)("when the process of the tests is ended by %s", (signal) => {
  test("the words of before stand there again", async () => {
    const old = words();
    const env = { ...process.env, FILE, WORDS: other(old) };
    const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    expect(words()).toBe(other(old));
    child.kill(signal);
    await once(child, "exit");
    await untilTrue("the guard puts it back", () => words() === old, 5);
  });
});

test("two at once: the second waits for the first, and puts back what stood there before both", async () => {
  const old = words();
  const first = await ChangedFile.change(FILE, other(old));
  const second = ChangedFile.change(FILE, other(other(old)));
  await first.restore();
  const changed = await second;
  expect(words()).toBe(other(other(old)));
  await changed.restore();
  expect(words()).toBe(old);
});

test("words that the kernel does not take are refused, and nothing is changed", async () => {
  const old = words();
  await expect(ChangedFile.change(FILE, "many")).rejects.toThrow(`${FILE} does not take "many"`);
  expect(words()).toBe(old);
});

test("a file that is not there is named", async () => {
  await expect(ChangedFile.change("/proc/sys/net/core/none", "1")).rejects.toThrow("/proc/sys/net/core/none");
});
