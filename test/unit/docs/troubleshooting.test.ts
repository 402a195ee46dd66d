import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { NATIVE_ERRORS } from "../../../proxy/apply/errors.ts";
import { problemOf } from "../../../proxy/node/status.ts";

/* docs/troubleshooting.md has a heading for each reason that users can meet, and none for one that is no more. */

const root = resolve(import.meta.dirname, "../../..");
const text = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");
const headings = new Set([...text.matchAll(/^### (\w+)$/gm)].map(([, reason]) => reason!));

/** What stands behind `reason:` or in a constant for it, in the files that give reasons to people. */
const inSources = globSync(["operator/**/*.ts", "proxy/{health,node}/**/*.ts"], { cwd: root }).flatMap((file) => {
  const source = readFileSync(join(root, file), "utf8");
  return [
    ...source.matchAll(
      /(?:reason:|reason =|\?\?|[A-Z_]+ =|readonly name =|need === "create" \?) "([A-Z][a-z]+(?:[A-Z][A-Za-z]+)*)"/g,
    ),
  ].map(([, reason]) => reason!);
});

const ofNativeErrors = Object.keys(NATIVE_ERRORS).map((code) => problemOf(Object.assign(new Error(), { code })).reason);

/** Events that tell what was done, words that a heading of another has, and constants that are no reasons. */
const PLAIN = new Set([
  "Observe",
  "ClusterIP",
  "ReferenceGrant",
  "Created",
  "Updated",
  "Accepted",
  "Stopped",
  "ContractStale",
]);

describe("troubleshooting", () => {
  const reasons = new Set([...inSources, ...ofNativeErrors]);

  test("has a heading for each reason", () => {
    expect([...reasons].filter((reason) => !headings.has(reason) && !PLAIN.has(reason))).toEqual([]);
  });

  test("has no heading for a reason that is no more", () => {
    expect([...headings].filter((reason) => !reasons.has(reason))).toEqual([]);
  });

  test("links to sections that are there", () => {
    const links = ["install", "troubleshooting"].flatMap((page) => {
      const source = readFileSync(join(root, `docs/${page}.md`), "utf8");
      return [...source.matchAll(/\]\(([^)#]*)#([a-z0-9-]+)\)/g)].map(([, file, anchor]) => ({
        file: file || `${page}.md`,
        anchor,
      }));
    });
    const missing = links.filter(({ file, anchor }) => {
      const target = readFileSync(join(root, "docs", file), "utf8");
      const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replace(/[^a-z0-9 -]/g, "")
          .replaceAll(" ", "-"),
      );
      return !anchors.includes(anchor!);
    });
    expect(missing).toEqual([]);
  });
});
