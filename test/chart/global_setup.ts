import { ensurePrograms } from "../cluster/binaries.ts";

/** Both versions of helm, built from their Go modules where they are not in the cache yet. */
export default async function provideHelm(): Promise<void> {
  await ensurePrograms(["helm", "helm3"], (text) => console.log(text));
}
