import { describe } from "vitest";
import { BACKENDS, dataPlane, HEAD, LISTENERS, listeners, type Row, spec, testRows } from "./manifests.ts";

const FILE_ROWS: Row[] = [
  ["an empty file", "", ["", "is empty", "one YAML document of kind QuicProxy"]],
  ["only comments", "# nothing\n", ["", "is empty"]],
  ["only a document start", "---\n---\n", ["", "is empty"]],
  ["a list", "- a\n", ["", "found a list of 1", "apiVersion, kind, metadata, spec"]],
  ["a text", "hello\n", ["", 'found the text "hello"']],
  ["a tab as indentation", "kind: QuicProxy\nspec:\n\tlisteners: []\n", ["", "a tab is used", "spaces"]],
  ["an open bracket", "kind: [QuicProxy\nspec: {}\n", ["", "is not valid YAML"]],
  ["two syntax errors", "a: b: c\nd: 'x' y\n", ["", "is not valid YAML"], ["", "is not valid YAML"]],
  ["a tag of its own", `${spec(LISTENERS, BACKENDS)}status: !secret {}\n`, ["", "a tag of its own"]],
  ["nesting without end", `a: ${"[".repeat(5000)}${"]".repeat(5000)}\n`, ["", "nested too deeply"]],
  [
    "a second QuicProxy",
    `${spec(LISTENERS, BACKENDS)}---\n${spec(LISTENERS, BACKENDS)}`,
    ["", 'document 2 of this file, of kind "QuicProxy"', "one document"],
  ],
  [
    "a Service before the QuicProxy",
    `kind: Service\n---\n${listeners("[]")}`,
    ["", 'document 1 of this file, of kind "Service"'],
    ["spec.listeners", "found a list of 0"],
  ],
  [
    "three documents",
    "kind: QuicProxy\napiVersion: quicproxy.io/v1alpha1\nmetadata: {name: a}\nspec: {listeners: [{port: 1}], backends: {static: []}}\n---\na: 1\n---\nb: 1\n",
    ["", "document 2"],
    ["", "document 3"],
  ],
  [
    "an alias without anchor",
    `${spec("listeners: *nowhere", BACKENDS)}`,
    ["spec.listeners", '"nowhere"', "set earlier"],
  ],
  [
    "an alias bomb",
    `${HEAD.replace("edge }", `edge, a: &a [1,2], b: &b [${"*a,".repeat(60)}], c: [*b, *b] }`)}`,
    ["metadata.c[0][39]", "too many aliases", "at most 100"],
  ],
  [
    "an alias of itself",
    `${HEAD.replace("edge }", "edge, a: &a [*a] }")}`,
    [`metadata.a${"[0]".repeat(63)}`, "nested too deeply"],
  ],
  ["a mapping as key", `${spec(LISTENERS, BACKENDS)}  ? { a: b }\n  : 1\n`, ["spec", "a key that is not a word"]],
];

const IDENTITY_ROWS: Row[] = [
  [
    "another kind",
    "apiVersion: apps/v1\nkind: Deployment\nspec: { replicas: 1 }\n",
    ["apiVersion", '"apps/v1"', "quicproxy.io/v1alpha1"],
    ["kind", '"Deployment"', "allowed: QuicProxy"],
  ],
  [
    "a misspelled kind",
    spec(LISTENERS, BACKENDS).replace("QuicProxy", "Quicproxy"),
    ["kind", "did you mean QuicProxy"],
  ],
  ["an unknown kind of our group", spec(LISTENERS, BACKENDS).replace("QuicProxy", "Gateway"), ["kind", '"Gateway"']],
  [
    "an unknown version",
    spec(LISTENERS, BACKENDS).replace("v1alpha1", "v1alpha2"),
    ["apiVersion", "v1alpha2", "did you mean quicproxy.io/v1alpha1"],
  ],
  [
    "no apiVersion and no kind",
    "metadata: { name: a }\nspec: { listeners: [{ port: 1 }], backends: { static: [] } }\n",
    ["apiVersion", "is missing"],
    ["kind", "is missing"],
  ],
  [
    "no metadata and no spec",
    "apiVersion: quicproxy.io/v1alpha1\nkind: QuicProxy\n",
    ["metadata", "is missing"],
    ["spec", "is missing"],
  ],
  ["an empty spec", `${HEAD}spec:\n`, ["spec", "is empty", "listeners, backends"]],
  [
    "a misspelled name",
    spec(LISTENERS, BACKENDS).replace("name:", "nmae:"),
    ["metadata.nmae", "not a known key", "did you mean name"],
  ],
  ["a name that is none", spec(LISTENERS, BACKENDS).replace("edge", "Edge_1"), ["metadata.name", '"Edge_1"', "63"]],
  [
    "a number as label",
    spec(LISTENERS, BACKENDS).replace("edge", "edge, labels: { a/b: 1 }"),
    ['metadata.labels["a/b"]', "found 1", "in quotes"],
  ],
  [
    "a label key without end",
    spec(LISTENERS, BACKENDS).replace("edge", `edge, labels: { ${"k".repeat(318)}: v }`),
    [`metadata.labels["${"k".repeat(60)}…"]`, "too long a key"],
  ],
];

const KEY_ROWS: Row[] = [
  [
    "a misspelled key",
    spec("listners: [{ port: 443 }]", BACKENDS),
    ["spec.listners", "not a known key", "did you mean listeners"],
  ],
  [
    "a fault under a misspelled key",
    spec("listners: [{ port: 0 }]", BACKENDS),
    ["spec.listners", "listeners"],
    ["spec.listeners[0].port", "found 0"],
  ],
  ["a key in another case", dataPlane("{ fastpath: Auto }"), ["spec.dataPlane.fastpath", "did you mean fastPath"]],
  [
    "a key of another place",
    spec(LISTENERS, BACKENDS, "workers: { min: 1 }"),
    ["spec.workers", "did you mean spec.dataPlane.workers"],
  ],
  ["a key that is nothing", spec(LISTENERS, BACKENDS, "colour: blue"), ["spec.colour", "did you mean undefined"]],
  [
    "unknown keys at every level",
    `${spec("listeners: [{ port: 443, b: 1 }]", BACKENDS, "c: 1")}d: 1\n`,
    ["spec.listeners[0].b"],
    ["spec.c"],
    ["d"],
  ],
  [
    "a key twice",
    spec(LISTENERS, BACKENDS, LISTENERS),
    ["spec.listeners", "written again (first in line 5)", "each key once"],
  ],
  [
    "a key once right and once misspelled",
    spec(LISTENERS, BACKENDS, "listener: []"),
    ["spec.listener", "did you mean listeners"],
  ],
  [
    "prototype keys",
    spec(LISTENERS, BACKENDS, "__proto__: {}", "constructor: 1"),
    ["spec.__proto__", "not a known key"],
    ["spec.constructor", "not a known key"],
  ],
  ["a key with control characters", `${spec(LISTENERS, BACKENDS)}"\\e[2J": 1\n`, ['["\\u001b[2J"]', "not a known key"]],
];

describe("a manifest with a wrong document", () => testRows(FILE_ROWS));
describe("a manifest with a wrong identity", () => testRows(IDENTITY_ROWS));
describe("a manifest with a wrong key", () => testRows(KEY_ROWS));
