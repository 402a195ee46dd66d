import { removeCluster } from "./provider.ts";

const there = await removeCluster(console.log);
console.log(there ? "the cluster is gone" : "there was no cluster");
