import type { Parsed } from "../text/columns.ts";
import { decodeMessages, type NetlinkMessage } from "./messages.ts";

/**
 * Rows of a dump, one for each message of a type. Messages of other types are left out, those that cannot be understood are
 * counted in the reason, and so is what the answer lacks. Nothing at all with a problem is no table.
 */
export function decodeTable<Row>(
  octets: Uint8Array,
  type: number,
  decode: (payload: Uint8Array) => Row | undefined,
): Parsed<Row[]> {
  const { messages, problem } = decodeMessages(octets);
  const wanted = messages.filter((message: NetlinkMessage) => message.type === type);
  const rows = wanted.map(({ payload }) => decode(payload)).filter((row) => row !== undefined);
  const wrong = wanted.length - rows.length;
  const misread = wrong === 0 ? undefined : `${wrong} of ${wanted.length} messages are not as expected`;
  const reason = [problem, misread].filter((each) => each !== undefined).join("; ");
  if (reason === "") return { value: rows };
  return { value: rows.length > 0 ? rows : undefined, reason };
}
