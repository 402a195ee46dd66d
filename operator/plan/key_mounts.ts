import type { QuicProxySpec } from "../../crds/schema.ts";
import { keysName } from "../names.ts";
import type { ObservedProxy } from "../world.ts";

const KEY_DIR = "/etc/quicproxy/keys";
const OWNER_READS = 0o400;

interface KeyMount {
  readonly volume: object;
  readonly mount: object;
}

/**
 * QUIC-LB keys reach the proxy through the kubelet, so neither operator nor proxy may read Secrets (docs/adr/0030). One
 * Secret is mounted in any case: a key that comes into it needs no other pod. Each is a directory, whose entries the kubelet
 * keeps up to date; a missing Secret does not keep the pod from starting: the proxy says in its status which one it misses.
 */
export function keyMounts({ name: proxyName }: ObservedProxy, { routing }: QuicProxySpec): KeyMount[] {
  const named = (routing.quicLB ?? []).flatMap(({ key }) => key?.secretRef?.name ?? []);
  return [...new Set([keysName(proxyName), ...named.sort()])].map((secretName, index) => {
    const name = `key-${index}`;
    const secret = { secretName, defaultMode: OWNER_READS, optional: true };
    return { volume: { name, secret }, mount: { name, mountPath: `${KEY_DIR}/${secretName}`, readOnly: true } };
  });
}
