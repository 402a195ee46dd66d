import type { NetfilterQueue } from "../reading.ts";
import { decimal, exactNumber, linesOf, type Parsed, parseRows, wordsOf } from "./columns.ts";

/**
 * /proc/net/netfilter/nfnetlink_queue (net/netfilter/nfnetlink_queue.c, seq_show): without a head, for each queue `number
 * peer_portid waiting copy_mode copy_range queue_dropped user_dropped id_sequence 1`, decimal, 32 bit. Readable by root
 * alone. No line: nobody reads from a queue, as with most hosts.
 */
export function parseNetfilterQueues(text: string): Parsed<NetfilterQueue[]> {
  return parseRows(linesOf(text), (line) => {
    const [queueWord, portWord, waitingWord, , , queueDroppedWord, userDroppedWord] = wordsOf(line);
    const [queue, portId, waiting] = [queueWord, portWord, waitingWord].map(exactNumber);
    const [queueDropped, userDropped] = [decimal(queueDroppedWord), decimal(userDroppedWord)];
    if ([queue, portId, waiting, queueDropped, userDropped].includes(undefined)) return undefined;
    return {
      queue: queue!,
      portId: portId!,
      waiting: waiting!,
      queueDropped: queueDropped!,
      userDropped: userDropped!,
    };
  });
}
