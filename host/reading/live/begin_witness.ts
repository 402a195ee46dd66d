import { parseReading } from "../parse.ts";
import { type ReadingPlan, readHost } from "../read.ts";
import { SOCKETS } from "../sources.ts";
import { namespaceInode } from "./namespace.ts";
import { liveWatchSystem } from "./system.ts";
import { DropWatch } from "./watch_drops.ts";

/**
 * The second witness of what a plan's readings are about, from now on. Throws NamespaceError; where the host gives no
 * witness, the Witness says why.
 */
export function beginWitness({ subject, namespace }: ReadingPlan): DropWatch {
  const place = namespace === undefined ? {} : { namespace };
  // A socket has no cookie until somebody asks for it; drops name sockets by theirs.
  const { sockets = [] } = parseReading(readHost({ subject, ...place, sources: SOCKETS }));
  const ports = subject.port === undefined ? new Set(sockets.map(({ localPort }) => localPort)) : [subject.port];
  return new DropWatch({ namespace: namespaceInode(namespace), ports: [...ports] }, liveWatchSystem());
}
