import { kubectl } from "../../cluster/cluster.ts";
import { findCluster, removeCluster, startCluster } from "../../cluster/provider.ts";

const say = (text: string): void => console.log(text);

/** A cluster that runs is used and stays; one that is started here goes at the end. */
export default async function provideCluster(): Promise<() => Promise<void>> {
  const present = await findCluster(() => {}).catch(() => undefined);
  if (present !== undefined) {
    await kubectl(present, ["get", "--raw", "/readyz"]);
    return async () => {};
  }
  await startCluster({ say, signal: new AbortController().signal });
  return async () => {
    await removeCluster(say);
  };
}
