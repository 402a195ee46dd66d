import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { insideNamespace } from "../../proxy/lab/namespace.ts";

/** The named counter of the line pair "Udp:" of /proc/net/snmp. */
export function udpCounter(snmp: string, name: string): number {
  const [names, values] = snmp
    .split("\n")
    .filter((line) => line.startsWith("Udp: "))
    .map((line) => line.split(" "));
  const index = names?.indexOf(name) ?? -1;
  const value = Number(values?.[index]);
  if (index < 0 || !Number.isFinite(value)) throw new Error(`/proc/net/snmp has no counter ${name} of UDP`);
  return value;
}

/**
 * Datagrams that found the buffer of their socket full (RcvbufErrors), of all sockets of a namespace. A process inside
 * shows the counters of its namespace.
 */
export function receiveBufferErrors(namespace: string, pid: number | undefined): number {
  return udpCounter(
    pid === undefined ? snmpInside(namespace) : readFileSync(`/proc/${pid}/net/snmp`, "utf8"),
    "RcvbufErrors",
  );
}

function snmpInside(namespace: string): string {
  const [file, args] = insideNamespace(namespace, ["cat", "/proc/net/snmp"]);
  return execFileSync(file, args, { encoding: "utf8" });
}
