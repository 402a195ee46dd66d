import { expect, test } from "vitest";
import { costsBetween, programOfFdinfo } from "../../bench/bpf_programs.ts";

function fdinfo(type: number, id: number): string {
  return `pos:\t0
flags:\t02000002
mnt_id:\t16
ino:\t11
prog_type:\t${type}
prog_jited:\t1
prog_tag:\tb6b5f3f4d1f2a3c4
memlock:\t4096
prog_id:\t${id}
run_time_ns:\t5000
run_cnt:\t100
recursion_misses:\t0
verified_insns:\t40
`;
}

test("a program on a datagram's way, with its statistics", () => {
  expect(programOfFdinfo(fdinfo(21, 7))).toEqual({
    id: 7,
    type: "SK_REUSEPORT (steering)",
    runs: 100,
    runTimeNs: 5000,
  });
  expect(programOfFdinfo(fdinfo(30, 8))?.type).toBe("SK_LOOKUP (replies)");
});

test("other programs and other descriptors are none", () => {
  expect(programOfFdinfo(fdinfo(1, 7))).toBeUndefined();
  expect(programOfFdinfo("pos:\t0\nflags:\t02\nmnt_id:\t9\nino:\t5\n")).toBeUndefined();
  // A link names the program that it attaches, without statistics.
  expect(programOfFdinfo("link_type:\tnetns\nprog_type:\t30\nprog_id:\t8\n")).toBeUndefined();
});

test("runs and time of a type are those of all its programs, since the reading before", () => {
  const program = (id: number, type: string, runs: number, runTimeNs: number) => ({ id, type, runs, runTimeNs });
  const before = [program(1, "a", 10, 100), program(2, "b", 5, 5)];
  const after = [program(1, "a", 20, 400), program(2, "b", 5, 5), program(3, "a", 10, 100)];
  expect(costsBetween(before, after)).toEqual([{ type: "a", runs: 20, nsPerRun: 20 }]);
});
