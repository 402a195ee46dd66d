/**
 * Octets of a receive buffer that a datagram of about 1,200 to 1,500 octets takes: a buffer of 2,048 and the skb. The kernel
 * counts this ("truesize"), not the payload.
 */
export const TRUESIZE_BYTES = 2304;

/** Datagrams of that size that a buffer holds. */
export const datagramsIn = (bufferBytes: number): number => Math.floor(bufferBytes / TRUESIZE_BYTES);
