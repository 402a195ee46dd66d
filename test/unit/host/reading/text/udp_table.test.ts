import { expect, it } from "vitest";
import { parseUdpTable } from "../../../../../host/reading/text/udp_table.ts";
import { UDP_3_10, UDP6_5_4 } from "../recorded/texts.ts";

it("reads addresses, queues, owner and drops of IPv4", () => {
  expect(parseUdpTable(UDP_3_10, 4)).toEqual({
    value: [
      {
        family: 4,
        localAddress: "0.0.0.0",
        localPort: 9002,
        inode: 19182,
        uid: 0,
        receiveQueueBytes: 1_073_741_760,
        sendQueueBytes: 0,
        drops: 1_875_166_813,
      },
      {
        family: 4,
        localAddress: "127.0.0.1",
        localPort: 0x8797,
        remote: { address: "127.0.0.1", port: 0xc351 },
        inode: 1016395,
        uid: 1001,
        receiveQueueBytes: 0,
        sendQueueBytes: 0x900,
        drops: 2_147_483_648,
      },
    ],
  });
});

it("drops beyond 2^31, which older kernels print as negative numbers, stay what they are", () => {
  expect(parseUdpTable(UDP_3_10, 4).value![1]!.drops).toBe(2 ** 31);
  expect(parseUdpTable(UDP_3_10.replace("-2147483648", "-1"), 4).value![1]!.drops).toBe(2 ** 32 - 1);
  expect(parseUdpTable(UDP6_5_4, 6).value![0]!.drops).toBe(2 ** 32 - 1);
});

it("reads addresses of IPv6, mapped ones too", () => {
  const [any, mapped] = parseUdpTable(UDP6_5_4, 6).value!;
  expect(any).toMatchObject({ localAddress: "::", localPort: 4434, receiveQueueBytes: 2496 });
  expect(mapped).toMatchObject({
    localAddress: "::ffff:192.0.2.1",
    remote: { address: "2001:db8::1", port: 4434 },
    uid: 65534,
  });
});

it("no socket at all is an empty table", () => {
  expect(parseUdpTable(UDP_3_10.split("\n")[0]!, 4)).toEqual({ value: [] });
});

it("a table cut within a row keeps those before it, and says so", () => {
  const { value, reason } = parseUdpTable(UDP_3_10.slice(0, UDP_3_10.lastIndexOf("1016395")), 4);
  expect(value).toHaveLength(1);
  expect(reason).toContain("1 of 2 rows");
});

it("a row of the other family is none", () => {
  expect(parseUdpTable(UDP_3_10, 6).value).toBeUndefined();
});
