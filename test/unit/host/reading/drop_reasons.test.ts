import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type DropEntry, dropOf, parseReasonNames } from "../../../../host/reading/drop_reasons.ts";

const fixture = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, "../../../fixtures/btf", `${name}.btf`));

const older = parseReasonNames(fixture("older"));
const newer = parseReasonNames(fixture("newer"));

test("one number is another reason on another kernel, and one reason another number", () => {
  expect([older(16), newer(6)]).toEqual(["SOCKET_RCVBUFF", "SOCKET_RCVBUFF"]);
  expect([older(6), newer(11)]).toEqual(["UDP_CSUM", "UDP_CSUM"]);
  expect([older(1), newer(2)]).toEqual(["NOT_SPECIFIED", "NOT_SPECIFIED"]);
  expect([older(7), newer(12)]).toEqual(["NETFILTER_DROP", "NETFILTER_DROP"]);
});

test("reasons of subsystems have their own names, or that of their subsystem", () => {
  expect(newer(0x10001)).toBe("RX_DROP_U_MIC_FAIL");
  expect(newer(0x10009)).toBe("MAC80211_UNUSABLE_9");
  expect(newer(0x20007)).toBe("OPENVSWITCH_7");
  expect(newer(0x70007)).toBe("SUBSYSTEM_7_7");
  expect(older(0x20007)).toBe("SUBSYSTEM_2_7");
});

test("what is of the enum but no reason has no name, nor has a number beyond", () => {
  expect([newer(128), newer(0xffff0000), newer(300)]).toEqual(["REASON_128", "SUBSYSTEM_65535_0", "REASON_300"]);
});

test("a kernel without reasons, and modules that are no BTF, are refused", () => {
  const none = Buffer.from(
    fixture("older").toString("latin1").replaceAll("skb_drop_reason\0", "skb_drop_whatso\0"),
    "latin1",
  );
  expect(() => parseReasonNames(none)).toThrow("BTF: this kernel has no enum skb_drop_reason");
  expect(() => parseReasonNames(fixture("newer"), [Buffer.from("no")])).toThrow("BTF: 2 octets are no header");
});

const RUNNING = "/sys/kernel/btf/vmlinux";
test.skipIf(!existsSync(RUNNING))("the running kernel names what this product looks for", () => {
  const names = parseReasonNames(readFileSync(RUNNING));
  const all = new Set(Array.from({ length: 256 }, (_, raw) => names(raw)));
  for (const name of ["NOT_SPECIFIED", "NO_SOCKET", "SOCKET_RCVBUFF", "SOCKET_FILTER", "UDP_CSUM", "NETFILTER_DROP"]) {
    expect(all).toContain(name);
  }
});

const entry: DropEntry = {
  reason: 6,
  isErrno: false,
  namespace: 1,
  interfaceIndex: 2,
  family: 4,
  port: 443,
  direction: "in",
  isFragment: false,
  cookie: 0n,
  skbs: 3,
  datagrams: 30,
  octets: 40,
};

test("an entry as a drop: its name, and its cookie as text", () => {
  const { isErrno, cookie, ...rest } = entry;
  expect(dropOf(entry, newer)).toEqual({ ...rest, reason: "SOCKET_RCVBUFF" });
  expect(dropOf({ ...entry, cookie: 2n ** 63n }, newer).cookie).toBe("9223372036854775808");
  expect(dropOf({ ...entry, family: 99 }, newer).family).toBe(0);
});

test("error numbers of a queue have the names of the reasons that say the same", () => {
  const named = (reason: number) => dropOf({ ...entry, isErrno: true, reason }, newer).reason;
  expect([named(12), named(105), named(5)]).toEqual(["SOCKET_RCVBUFF", "PROTO_MEM", "ERRNO_5"]);
});
