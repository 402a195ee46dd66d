import { Command, CommanderError } from "commander";
import { afterEach, describe, expect, it } from "vitest";
import { registerValidate } from "../../../../proxy/cli/validate.ts";

const FIXTURES = new URL("../../../fixtures/manifests/", import.meta.url);

interface Outcome {
  out: string;
  err: string;
  exitCode: number;
}

async function validate(...options: string[]): Promise<Outcome> {
  const written = { out: [] as string[], err: [] as string[] };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerValidate(program, { out: (text) => written.out.push(text), err: (text) => written.err.push(text) });
  await program.parseAsync(["validate", ...options], { from: "user" });
  return { out: written.out.join(""), err: written.err.join(""), exitCode: Number(process.exitCode ?? 0) };
}

const fixture = (name: string): string => new URL(name, FIXTURES).pathname;

afterEach(() => {
  process.exitCode = undefined;
});

describe("quicproxy validate", () => {
  it("says that a manifest is valid, and what it is", async () => {
    const file = fixture("full.yaml");
    expect(await validate("-f", file)).toEqual({
      out: `${file}: valid\nmedia/edge: 4 listeners, 4 backends, mode RunToCompletion\n`,
      err: "",
      exitCode: 0,
    });
  });

  it("tells how many QUIC-LB configs there are, without their keys", async () => {
    const { out, err, exitCode } = await validate("-f", fixture("quic_lb.yaml"));
    expect(out).toContain(
      "default/edge: 1 listener, 1 backend, 2 QUIC-LB configs (1 encrypted), mode RunToCompletion\n",
    );
    expect({ exitCode, warnings: err.split("\n").length - 1 }).toEqual({ exitCode: 0, warnings: 2 });
  });

  it("counts one listener as one", async () => {
    expect((await validate("--file", fixture("minimal.yaml"))).out).toContain(
      "default/edge: 1 listener, 0 backends, mode",
    );
  });

  it("prints every fault with its place, then how many", async () => {
    const file = fixture("wrong.yaml");
    const { out, err, exitCode } = await validate("-f", file);
    expect({ out, exitCode }).toEqual({ out: "", exitCode: 2 });
    expect(err).toContain(`warning: ${file}:34:11: spec.tuning: is only meaningful in a cluster`);
    expect(err).toContain(
      `\n${file}:7:13: spec.listeners[0].port: found 443000; allowed: a port number from 1 to 65535\n`,
    );
    expect(err).toMatch(/wrong.yaml: 28 faults\n$/);
  });

  it("prints JSON for programs", async () => {
    const { out, err, exitCode } = await validate("--json", "-f", fixture("wrong.yaml"));
    const { valid, faults, warnings } = JSON.parse(out);
    expect({ err, exitCode, valid }).toEqual({ err: "", exitCode: 2, valid: false });
    expect(faults).toHaveLength(28);
    expect(faults[1]).toEqual({
      file: fixture("wrong.yaml"),
      path: "kind",
      line: 2,
      column: 7,
      what: 'found the text "QuicProxi"',
      allowed: "QuicProxy",
      suggestion: "QuicProxy",
    });
    expect(warnings).toHaveLength(1);
  });

  it("prints JSON of a valid manifest", async () => {
    const { out, exitCode } = await validate("--json", "-f", fixture("minimal.yaml"));
    expect({ report: JSON.parse(out), exitCode }).toEqual({
      report: { valid: true, faults: [], warnings: [] },
      exitCode: 0,
    });
  });

  it("ends with 2 where the file cannot be read", async () => {
    expect(await validate("-f", "/nowhere/edge.yaml")).toEqual({
      out: "",
      err: "/nowhere/edge.yaml: does not exist; allowed: the path of a manifest; - reads standard input\n/nowhere/edge.yaml: 1 fault\n",
      exitCode: 2,
    });
  });

  it("asks for a file", async () => {
    await expect(validate()).rejects.toThrow(CommanderError);
  });
});
