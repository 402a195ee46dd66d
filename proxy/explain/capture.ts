import { InputError } from "./input_error.ts";
import { isPcap, readPcap } from "./pcap.ts";
import { isPcapng, readPcapng } from "./pcapng.ts";

/** One captured frame. */
export interface Frame {
  /** From 1, as Wireshark numbers them. */
  readonly number: number;
  /** LINKTYPE_ value (tcpdump.org/linktypes.html). */
  readonly linkType: number;
  readonly octets: Uint8Array;
  /** The capture kept only the start of the frame. */
  readonly cut: boolean;
}

export const MAX_CAPTURE_BYTES = 64 * 1024 * 1024;

/** The frames of a pcap or pcapng file in its order. Throws InputError, for a damaged file once its sound start is read. */
export function readCapture(file: Uint8Array): Iterable<Frame> {
  if (isPcap(file)) return readPcap(file);
  if (isPcapng(file)) return readPcapng(file);
  throw new InputError("is neither pcap nor pcapng; write one with: tcpdump -w FILE udp port PORT");
}
