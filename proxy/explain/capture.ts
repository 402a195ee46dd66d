import type { Frame } from "./frame.ts";
import { InputError } from "./input_error.ts";
import { isPcap, readPcap } from "./pcap.ts";
import { isPcapng, readPcapng } from "./pcapng.ts";

export const MAX_CAPTURE_BYTES = 64 * 1024 * 1024;

/** The frames of a pcap or pcapng file in its order. Throws InputError, for a damaged file once its sound start is read. */
export function readCapture(file: Uint8Array): Iterable<Frame> {
  if (isPcap(file)) return readPcap(file);
  if (isPcapng(file)) return readPcapng(file);
  throw new InputError("is neither pcap nor pcapng; write one with: tcpdump -w FILE udp port PORT");
}
