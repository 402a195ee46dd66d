import type { SendRequest } from "../../../kube/transport.ts";
import { Operator, type OperatorOptions } from "../../../operator/operator.ts";
import type { PodOptions } from "../../../operator/plan/desired.ts";
import { openLog } from "../../../process/log.ts";
import { LogStream } from "../../../process/log_stream.ts";

export const POD_OPTIONS: PodOptions = {
  image: "quicproxy:test",
  imagePullPolicy: "Never",
  imagePullSecrets: [],
  priorityClass: undefined,
  capabilities: "Sockets",
  architecture: undefined,
};

const log = openLog({ level: "silent", controller: "quicproxy" }, new LogStream(1));

/** An operator in this process that leads and says nothing. Stop it at the end. */
export function startOperator(send: SendRequest, changes: Partial<OperatorOptions> = {}): Operator {
  const defaults = { send, log, pods: POD_OPTIONS, namespace: undefined, instance: "test", isLeading: () => true };
  const operator = new Operator({ ...defaults, ...changes });
  operator.start();
  return operator;
}
