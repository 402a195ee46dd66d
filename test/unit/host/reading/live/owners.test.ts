import { expect, it } from "vitest";
import { readOwners } from "../../../../../host/reading/live/owners.ts";
import { parseOwners } from "../../../../../host/reading/text/owners.ts";
import { FakeSystem, refuse } from "./fake_system.ts";

function ownersOf(system: FakeSystem, inodes: readonly number[]): ReturnType<typeof parseOwners> {
  const source = readOwners(system, new Set(inodes));
  return "text" in source ? parseOwners(source.text) : { value: undefined, reason: JSON.stringify(source) };
}

it("finds who has a socket open, with command, cgroup and open files", () => {
  const system = new FakeSystem();
  system.addProcess(7, [1, 5, 9], { command: "nginx", cgroup: "/kubepods/pod1" });
  expect(ownersOf(system, [5])).toEqual({
    value: new Map([[5, { pid: 7, command: "nginx", cgroup: "/kubepods/pod1", openFiles: 3 }]]),
  });
});

it("also in processes of other network namespaces, who made the socket before they left, and those last", () => {
  const system = new FakeSystem();
  system.addProcess(9, [5], { namespace: 2, command: "elsewhere" });
  system.addProcess(7, [5], { command: "here" });
  system.addProcess(8, [6], { namespace: 2, command: "elsewhere" });
  const { value } = ownersOf(system, [5, 6]);
  expect([value!.get(5)!.command, value!.get(6)!.command]).toEqual(["here", "elsewhere"]);
});

it("looks no further once all are found", () => {
  const system = new FakeSystem();
  system.addProcess(8, [6], { namespace: 2 });
  system.addProcess(7, [5]);
  system.directories.set("/proc/8/fd", () => refuse("EACCES"));
  expect(ownersOf(system, [5]).reason).toBeUndefined();
});

it("names the right that is missing where files of other users cannot be seen", () => {
  const system = new FakeSystem();
  system.addProcess(7, [5]);
  system.addProcess(8, []);
  system.directories.set("/proc/8/fd", () => refuse("EACCES"));
  const { value, reason } = ownersOf(system, [5, 6]);
  expect(value!.get(5)!.pid).toBe(7);
  expect(reason).toBe("files of 1 processes are not ours to see: needs root, or CAP_SYS_PTRACE");
});

it("a process that ends meanwhile, or a file that is closed, is no fault", () => {
  const system = new FakeSystem();
  system.addProcess(7, [4, 5]);
  system.addProcess(8, []);
  system.directories.delete("/proc/8/fd");
  system.links.delete("/proc/7/fd/0");
  system.files.clear();
  expect(ownersOf(system, [5, 6])).toEqual({ value: new Map([[5, { pid: 7, command: "-", openFiles: 2 }]]) });
});

it("stops in time on a machine full of files, and says so", () => {
  const system = new FakeSystem();
  system.addProcess(
    7,
    Array.from({ length: 3_000 }, (_, place) => place + 10),
  );
  const readLink = system.readLink.bind(system);
  system.readLink = (path) => {
    system.nowMs++;
    return readLink(path);
  };
  const { value, reason } = ownersOf(system, [10, 3_009]);
  expect([...value!.keys()]).toEqual([10]);
  expect(reason).toBe("stopped after 1000 ms: there are too many processes and open files");
});

it("how many files are open is not told where not all are listed", () => {
  const system = new FakeSystem();
  system.addProcess(7, [5]);
  const list = system.list.bind(system);
  system.list = (directory) =>
    directory.endsWith("/fd") ? Array.from({ length: 65_536 }, () => "0") : list(directory);
  expect(ownersOf(system, [5]).value).toEqual(new Map([[5, { pid: 7, command: "server", cgroup: "/" }]]));
});

it("nobody is looked for where nothing is wanted; no /proc is said", () => {
  expect(ownersOf(new FakeSystem(), [])).toEqual({ value: new Map() });
  expect(readOwners(new FakeSystem(), new Set([1]))).toEqual({ error: "not there (ENOENT): /proc is not mounted" });
});
