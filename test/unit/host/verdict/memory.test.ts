import { describe, expect, it } from "vitest";
import { judgeMeasures } from "../../../../host/verdict/all.ts";
import { measures, reading, socket, udp4 } from "./measures.ts";

/* Kernels that count a datagram refused for want of memory with its socket alone (6.18 before 820990d66577). */

const LIMITED = "/kubepods.slice/limited.scope";

function refused(timesLimited: bigint, udpMemoryPages: number): string[] {
  const cgroup = (max: bigint) => [{ cgroup: LIMITED, events: new Map([["max", max]]) }];
  const found = judgeMeasures(
    measures({
      before: reading({ memoryCgroups: cgroup(5n) }),
      after: reading({ steadyMs: 10_000, memoryCgroups: cgroup(5n + timesLimited), udpMemoryPages }),
      sockets: [socket({ drops: 3000, queueBytes: [150_000, 150_000, 150_000] })],
      udp: udp4({ inErrors: 0, receiveBufferErrors: 0, memoryErrors: 0 }),
    }),
  );
  return found.map(({ verdict, datagrams }) => `${verdict} ${datagrams}`);
}

describe("drops of a socket that no counter of UDP has", () => {
  it("are the limit of a cgroup that was reached meanwhile", () => {
    expect(refused(40n, 100)).toEqual(["memory-cgroup 3000"]);
  });

  it("are udp_mem where that is used up", () => {
    expect(refused(0n, 99_000)).toEqual(["udp-memory 3000"]);
  });

  it("are a want of memory as well where it was short for a moment only: nothing else is counted by sockets alone", () => {
    expect(refused(0n, 100)).toEqual(["udp-memory 3000"]);
  });

  it("are none where a counter of UDP has nearly all of them: both are not read at the same moment", () => {
    const sockets = [socket({ drops: 3000, queueBytes: [212_000, 212_500, 212_000] })];
    const found = judgeMeasures(measures({ sockets, udp: udp4({ inErrors: 2900, receiveBufferErrors: 2900 }) }));
    expect(found.map(({ verdict }) => verdict)).toEqual(["consumption-mismatch"]);
  });
});
