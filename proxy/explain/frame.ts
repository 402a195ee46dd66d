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
