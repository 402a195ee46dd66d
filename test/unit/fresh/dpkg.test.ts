import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Dpkg, readDpkg } from "../../fresh/dpkg.ts";

const database = mkdtempSync(join(tmpdir(), "quicproxy-dpkg-"));
afterAll(() => rmSync(database, { recursive: true }));

function write(file: string, lines: readonly string[]): void {
  const path = join(database, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${lines.join("\n")}\n`);
}

const status = "Status: install ok installed";
write("status", [
  "Package: dpkg",
  status,
  "Architecture: amd64",
  "",
  "Package: base",
  "Essential: yes",
  status,
  "Priority: required",
  "Description: one",
  " Package: not-a-field",
  "",
  "Package: shell",
  status,
  "Priority: required",
  "",
  "Package: compiler",
  status,
  "Priority: optional",
  "Architecture: amd64",
  "Pre-Depends: linker (>= 2.40)",
  "Depends: old-headers | headers:any [amd64], mail-agent, left-out",
  "",
  ...["linker", "headers"].flatMap((name) => [`Package: ${name}`, status, "Priority: optional", ""]),
  "Package: postman",
  status,
  "Provides: mail-agent (= 1), news-agent",
  "",
  "Package: left-out",
  "Status: deinstall ok config-files",
  "",
  "Package: by-hand",
  status,
  "",
  "Package: compiler",
  status,
  "Architecture: i386",
  "",
  "Package: server",
  "Status: install ok half-configured",
]);
write("info/base.list", ["/.", "/bin", "/bin/ls", "/usr/bin/mawk"]);
write("info/compiler:amd64.list", ["/usr/bin/g++-12", "/usr/lib/gcc/cc1plus", "/usr/share/bin/x"]);
write("info/compiler:i386.list", ["/usr/bin/g++-for-i386"]);
write("info/server.list", ["/usr/bin/nc.server"]);
write("info/linker.list", ["/usr/sbin/ld"]);
write("info/by-hand.list", ["/usr/bin/ethtool", "/usr/bin/gawk"]);
write("alternatives/awk", [
  "manual",
  "/usr/bin/awk",
  "nawk",
  "/usr/bin/nawk",
  "awk.1.gz",
  "/usr/share/man/man1/awk.1.gz",
  "",
  "/usr/bin/gawk",
  "10",
  "/usr/bin/gawk",
  "",
  "/usr/bin/mawk",
  "5",
  "/usr/bin/mawk",
  "/usr/share/man/man1/mawk.1.gz",
  "",
]);
write("alternatives/c++", ["auto", "/usr/bin/c++", "", "/usr/bin/g++-12", "20", ""]);

write("alternatives/nc", ["auto", "/bin/nc", "", "/bin/nc.server", "50", ""]);

const dpkg = readDpkg(database) as Dpkg;

test("what the smallest installation has", () => {
  expect(dpkg.everywhere().sort()).toEqual(["base", "shell"]);
});

test("dependencies: the first alternative that is there, virtual packages by who provides them, nothing removed", () => {
  expect([...dpkg.closure(["compiler", "nowhere"])].sort()).toEqual(["compiler", "headers", "linker", "postman"]);
});

test("programs are those of the PATH's directories, and alternatives are chosen among these packages only", () => {
  const programs = dpkg.programs(dpkg.closure(["base", "compiler"]));
  expect(Object.fromEntries(programs)).toEqual({
    ls: "/bin/ls",
    mawk: "/usr/bin/mawk",
    awk: "/usr/bin/mawk",
    nawk: "/usr/bin/mawk",
    "g++-12": "/usr/bin/g++-12",
    "c++": "/usr/bin/g++-12",
    ld: "/usr/sbin/ld",
  });
  expect(dpkg.programs(["by-hand", "base"]).get("awk")).toBe("/usr/bin/gawk");
});

test("a package that could not be configured has its programs; /bin and /usr/bin are one directory", () => {
  const programs = dpkg.programs(dpkg.closure(["server"]));
  expect(Object.fromEntries(programs)).toEqual({ nc: "/bin/nc.server", "nc.server": "/usr/bin/nc.server" });
});

test("a system without dpkg", () => {
  expect(readDpkg(join(database, "info"))).toBeUndefined();
});
