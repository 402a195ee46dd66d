import { uninstall } from "./product.ts";
import { findCluster, removeCluster } from "./provider.ts";

// Of a cluster that somebody else runs, only what `make cluster` installed there goes.
if (process.env.E2E_KUBECONFIG) console.log(await uninstall(await findCluster(console.log)));
const there = await removeCluster(console.log);
console.log(there ? "the cluster is gone" : "there was no cluster");
