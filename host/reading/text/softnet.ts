import type { SoftnetRow } from "../reading.ts";
import { hexadecimal32, linesOf, type Parsed, parseRows, wordsOf } from "./columns.ts";

const FEWEST_COLUMNS = 3;

/**
 * /proc/net/softnet_stat (net/core/net-procfs.c, softnet_seq_show): a row for each CPU that is online, `%08x` each, 32 bit,
 * machine-wide. Columns: 1 processed, 2 dropped, 3 time_squeeze, 4 to 9 unused today; 10 received_rps (2.6.35), 11 flow_limit
 * (3.11), 12 length of the backlog and 13 index of the CPU (5.10, and RHEL's 4.18), 14 and 15 lengths of its two queues (6.x).
 *
 * @param onlineCpus  those of /proc/stat. Before column 13 nothing else tells which rows are left out.
 */
export function parseSoftnet(text: string, onlineCpus?: readonly number[]): Parsed<SoftnetRow[]> {
  const lines = linesOf(text);
  const cpus = onlineCpus?.length === lines.length ? onlineCpus : undefined;
  let row = -1;
  return parseRows(lines, (line) => {
    row++;
    const words = wordsOf(line);
    const columns = words.map(hexadecimal32);
    if (columns.length < FEWEST_COLUMNS || columns.includes(undefined)) return undefined;
    const [processed, dropped, timeSqueeze, , , , , , , receivedRps, flowLimit, backlogLength, cpu] = columns;
    return {
      cpu: cpu ?? cpus?.[row] ?? row,
      processed: processed!,
      dropped: dropped!,
      timeSqueeze: timeSqueeze!,
      ...(receivedRps !== undefined && { receivedRps }),
      ...(flowLimit !== undefined && { flowLimit }),
      ...(backlogLength !== undefined && { backlogLength }),
    };
  });
}
