import { join, resolve } from "node:path";
import { startChild, udpPortBound, untilReady } from "../../../proxy/lab/child.ts";
import { documentRoot } from "../../../proxy/lab/content.ts";
import { backendPort, type Stack } from "../../../proxy/lab/peers.ts";

const python = resolve(import.meta.dirname, "../../../build/venv/bin/python");
const program = (name: string): string[] => [python, "-B", join(import.meta.dirname, name)];

/** Served and fetched by the programs of this folder, in the Python environment that `make` builds. */
export const aioquic: Stack = {
  name: "aioquic",
  async startServer({ place, directory, certificate, validateAddress }) {
    const tls = ["--certificate", certificate.certificate, "--key", certificate.key];
    const root = ["--root", documentRoot(directory, place.name), "--port", String(backendPort)];
    const child = startChild({
      name: `aioquic server on ${place.name}`,
      namespace: place.namespace,
      command: [...program("server.py"), ...tls, ...root, ...(validateAddress ? ["--retry"] : [])],
      logFile: join(directory, `${place.name}.log`),
    });
    await untilReady(child, () => udpPortBound(child.pid, backendPort, ["udp6"]));
    return child;
  },
  clientCommand({ address, port, clientOptions }, paths, directory) {
    const options = ["--directory", directory, ...(clientOptions ?? [])];
    return [...program("client.py"), ...options, address, String(port), ...paths];
  },
};
