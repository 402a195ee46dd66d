import { localAddresses } from "./local_addresses.ts";
import { type ParseResult, parse } from "./parse.ts";
import { readManifestText } from "./read.ts";

/** Reads and parses a manifest file ("-": standard input) against this host. Never throws for what the file is. */
export async function loadManifest(file: string): Promise<ParseResult> {
  const read = await readManifestText(file);
  if (!read.ok) return { ok: false, faults: read.faults, warnings: [] };
  return parse(read.text, { file, localAddresses: localAddresses() });
}
