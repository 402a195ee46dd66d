import { expect, test } from "vitest";
import { findController, shareFiles } from "../../bench/cpu_share.ts";

const tmpfs = "tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0";

test("the cpu controller of version 1", () => {
  const mounts = `${tmpfs}\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n`;
  expect(findController(mounts)).toEqual({ version: 1, root: "/sys/fs/cgroup/cpu" });
});

test("version 2 counts only where it has the controller", () => {
  const mounts = `${tmpfs}\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n`;
  expect(findController(mounts, () => ["cpuset", "cpu"])).toEqual({ version: 2, root: "/sys/fs/cgroup" });
  expect(findController(mounts, () => ["cpuset"])).toBeUndefined();
});

test("each thread has a share of its own", () => {
  const files = shareFiles({ version: 1, root: "/cpu" }, 50, [51, 52], 30);
  const group = `/cpu/quicproxy-bench-${process.pid}-50`;
  expect(files.filter(({ path }) => path.endsWith("cpu.cfs_quota_us"))).toEqual([
    { path: `${group}-51/cpu.cfs_quota_us`, text: "3000" },
    { path: `${group}-52/cpu.cfs_quota_us`, text: "3000" },
  ]);
  expect(files.at(-1)).toEqual({ path: `${group}-52/tasks`, text: "52" });
});

test("version 2: the process first, then threaded groups, then the controller, then the threads", () => {
  const files = shareFiles({ version: 2, root: "/cg" }, 50, [51], 30);
  const group = `/cg/quicproxy-bench-${process.pid}-50`;
  expect(files).toEqual([
    { path: `${group}/cgroup.procs`, text: "50" },
    { path: `${group}/51/cgroup.type`, text: "threaded" },
    { path: `${group}/cgroup.subtree_control`, text: "+cpu" },
    { path: `${group}/51/cpu.max`, text: "3000 10000" },
    { path: `${group}/51/cgroup.threads`, text: "51" },
  ]);
});
