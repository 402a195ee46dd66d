import { expect, it } from "vitest";
import { type ParseResult, parse } from "../../../../proxy/manifest/parse.ts";

/** [path of a fault, texts that its line must contain] */
type Expected = readonly [path: string, ...fragments: string[]];
/** A wrong manifest and all its faults, in the order of the file. */
export type Row = readonly [name: string, text: string, ...faults: Expected[]];

const LOCAL_ADDRESSES = ["10.0.0.1", "2001:db8::1", "127.0.0.1", "::1"];
/** Against a hang only: a large manifest takes seconds of a machine that others keep busy. */
export const HANG_MS = 60_000;
export const HEAD = "apiVersion: quicproxy.io/v1alpha1\nkind: QuicProxy\nmetadata: { name: edge }\n";
export const LISTENERS = "listeners: [{ port: 443 }]";
export const BACKENDS = "backends: { static: [{ address: 10.0.0.7, port: 4433 }] }";

export const spec = (...parts: string[]): string => `${HEAD}spec:\n${parts.map((part) => `  ${part}\n`).join("")}`;
export const listeners = (list: string): string => spec(`listeners: ${list}`, BACKENDS);
export const backends = (value: string): string => spec(LISTENERS, `backends: ${value}`);
export const backend = (value: string): string => backends(`{ static: [${value}] }`);
export const routing = (value: string): string => spec(LISTENERS, BACKENDS, `routing: ${value}`);
export const dataPlane = (value: string): string => spec(LISTENERS, BACKENDS, `dataPlane: ${value}`);

export function check(text: string): ParseResult {
  return parse(text, { file: "edge.yaml", localAddresses: LOCAL_ADDRESSES });
}

/** One test per row: exactly these faults, in this order. */
export function testRows(rows: readonly Row[]): void {
  it.each(rows.map(([name, text, ...faults]) => ({ name, text, faults })))(
    "$name",
    ({ text, faults }) => {
      expectFaults(text, faults);
    },
    HANG_MS,
  );
}

function expectFaults(text: string, expected: readonly Expected[]): void {
  const result = check(text);
  const faults = result.ok ? [] : result.faults;
  expect(faults.map(({ path }) => path)).toEqual(expected.map(([path]) => path));
  for (const [index, [, ...fragments]] of expected.entries()) {
    const { what, allowed, suggestion } = faults[index]!;
    for (const fragment of fragments) {
      expect(`${what}; allowed: ${allowed}; did you mean ${suggestion}`).toContain(fragment);
    }
  }
}
