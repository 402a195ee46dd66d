import { readHost } from "../../host/reading/read.ts";

/* A reading by a process of its own. Argument: a network namespace, or none. Prints the RawReading, or the error. */

const [namespace] = process.argv.slice(2);
try {
  console.log(JSON.stringify(readHost({ subject: {}, ...(namespace !== undefined && { namespace }) })));
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
}
