import type { RawSource } from "../raw.ts";
import type { FileSource } from "../sources.ts";
import { reasonOf } from "./reason.ts";
import type { HostSystem } from "./system.ts";

/** 250,000 lines of /proc/net/udp. */
const MAXIMUM_BYTES = 32 * 1024 * 1024;

/** One file of /proc, whole or not at all. */
export function readFile(system: HostSystem, { name, absent }: FileSource): RawSource {
  try {
    return { text: system.readText(`/${name}`, MAXIMUM_BYTES) };
  } catch (error) {
    return { error: reasonOf(error, { absent, right: "root, or CAP_DAC_READ_SEARCH" }) };
  }
}
