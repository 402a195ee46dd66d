import type { SocketOwner } from "../reading.ts";
import { exactNumber, linesOf, type Parsed, parseRows, printable } from "./columns.ts";

export const OWNERS_HEAD = "inode\tpid\tcommand\tcgroup\topen_files";

/** One line; `-` for what is not known. */
export function formatOwner(inode: number, { pid, command, cgroup, openFiles }: SocketOwner): string {
  return [inode, pid, printable(command), cgroup === undefined ? "-" : printable(cgroup), openFiles ?? "-"].join("\t");
}

function parseRow(line: string): [number, SocketOwner] | undefined {
  const [inodeWord, pidWord, command, cgroup, filesWord] = line.split("\t");
  const [inode, pid, openFiles] = [inodeWord, pidWord, filesWord].map(exactNumber);
  if (inode === undefined || pid === undefined || command === undefined) return undefined;
  const owner: SocketOwner = {
    pid,
    command: printable(command),
    ...(cgroup?.startsWith("/") && { cgroup: printable(cgroup) }),
    ...(openFiles !== undefined && { openFiles }),
  };
  return [inode, owner];
}

/**
 * sockets/owners, which live/owners.ts writes: who has which socket open, by inode, columns between tabs. Lines that begin
 * with # say what could not be found out.
 */
export function parseOwners(text: string): Parsed<ReadonlyMap<number, SocketOwner>> {
  const lines = linesOf(text).filter((line) => line !== OWNERS_HEAD);
  const notes = lines.filter((line) => line.startsWith("#")).map((line) => printable(line.slice(1).trim()));
  const { value, reason } = parseRows(
    lines.filter((line) => !line.startsWith("#")),
    parseRow,
  );
  // The first of several that have a socket is the one that counts.
  const owners = value && new Map(value.toReversed());
  const reasons = [...notes, ...(reason === undefined ? [] : [reason])].join("; ");
  return reasons === "" ? { value: owners } : { value: owners, reason: reasons };
}
