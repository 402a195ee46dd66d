import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "../../../proxy/lab/child.ts";
import { type BenchLab, backendPort, bufferMi, type Edge, proxyPort, startServing } from "../lab.ts";

export interface NginxPlan {
  name: string;
  workers: number;
}

export function startNginx(lab: BenchLab, edge: Edge, { name, workers }: NginxPlan): Promise<Child> {
  const config = join(lab.directory, `nginx-${edge.namespace}.conf`);
  writeFileSync(config, configText({ workers, directory: lab.directory, edge }));
  const command = ["nginx", "-p", lab.directory, "-c", config];
  return startServing(lab, { name, namespace: edge.namespace, command }, proxyPort);
}

/**
 * As its documentation configures UDP, with limits that no measurement reaches but that of open files, which is the
 * machine's.
 */
function configText({ workers, directory, edge }: { workers: number; directory: string; edge: Edge }): string {
  return `daemon off;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
worker_processes ${workers};
pid ${directory}/${edge.namespace}.pid;
error_log ${directory}/${edge.namespace}-error.log;
events { worker_connections 131072; }
stream {
  server {
    listen ${proxyPort} udp reuseport rcvbuf=${bufferMi}m sndbuf=${bufferMi}m;
    proxy_pass ${edge.backend}:${backendPort};
    proxy_timeout 600s;
  }
}
`;
}
