import { expect, it } from "vitest";
import { readCgroups } from "../../../../../host/reading/live/cgroups.ts";
import { FakeSystem } from "./fake_system.ts";

function systemWith(mount: string, files: Record<string, string>): FakeSystem {
  const system = new FakeSystem();
  system.files.set("/proc/self/mountinfo", `1 0 0:1 / /proc rw - proc proc rw\n${mount}\n`);
  for (const [path, text] of Object.entries(files)) system.files.set(path, text);
  return system;
}

const MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";

it("reads events and limits of the cgroup and of those above it, each once", () => {
  const system = systemWith(MOUNT, {
    "/sys/fs/cgroup/a/b/memory.events": "max 17\n",
    "/sys/fs/cgroup/a/b/memory.max": "100\n",
    "/sys/fs/cgroup/a/b/memory.current": "90\n",
    "/sys/fs/cgroup/a/memory.events": "max 3\n",
  });
  const sources = Object.fromEntries(readCgroups(system, ["/a/b", "/a/b", "/a"]));
  expect(Object.keys(sources)).toHaveLength(6);
  expect(sources["cgroup/a/b/memory.events"]).toEqual({ text: "max 17\n" });
  expect(sources["cgroup/a/b/memory.max"]).toEqual({ text: "100\n" });
  expect(sources["cgroup/a/memory.events"]).toEqual({ text: "max 3\n" });
  expect(sources["cgroup/a/memory.max"]).toEqual({
    error: "not there (ENOENT): the cgroup is gone, or memory is not among its controllers (cgroup v1)",
  });
});

it("finds them where the mount shows a part of the hierarchy only", () => {
  const system = systemWith(MOUNT.replace("0:26 / /sys", "0:26 /pods /sys"), {
    "/sys/fs/cgroup/a/memory.events": "max 1\n",
  });
  const sources = Object.fromEntries(readCgroups(system, ["/pods/a", "/podsx"]));
  expect(sources["cgroup/pods/a/memory.events"]).toEqual({ text: "max 1\n" });
  expect(sources["cgroup/podsx/memory.events"]).toMatchObject({ error: expect.stringContaining("outside") });
});

it("a path that leads out of the mount is not followed", () => {
  const system = systemWith(MOUNT, { "/sys/fs/cgroup/../../etc/memory.events": "max 1\n" });
  expect(readCgroups(system, ["/../../etc"]).every(([, source]) => "error" in source)).toBe(true);
});

it("without cgroup v2, or without /proc, each says why", () => {
  expect(readCgroups(systemWith("", {}), ["/a"])).toEqual([
    ["cgroup/a/memory.events", { error: "cgroup v2 is not mounted here" }],
  ]);
  expect(readCgroups(new FakeSystem(), ["/a"])).toEqual([
    ["cgroup/a/memory.events", { error: "not there (ENOENT): /proc is not mounted" }],
  ]);
  expect(readCgroups(new FakeSystem(), ["/"])).toEqual([]);
});
