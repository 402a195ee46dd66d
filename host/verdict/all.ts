import { HAND_OFFS } from "../path/hand_offs.ts";
import type { Measures } from "../path/measures.ts";
import { backendRefuses, backendSilent, unreachableAnswers } from "./backends.ts";
import { backlogOverflow } from "./backlog_overflow.ts";
import { burst } from "./burst.ts";
import { checksumErrors, checksumTunnel } from "./checksum.ts";
import { cloudAllowance } from "./cloud_allowance.ts";
import { conntrackFull, conntrackInvalid, conntrackPressure, conntrackRace } from "./conntrack.ts";
import { consumptionMismatch } from "./consumption_mismatch.ts";
import { deviceCorruption } from "./device_corruption.ts";
import { devicePort } from "./device_port.ts";
import { deviceUnknown, notOurs, rxDropped, rxDroppedUntold } from "./device_unknown.ts";
import { driverMemory } from "./driver_memory.ts";
import { filterRule } from "./filter_rule.ts";
import { type Finding, findingsOf, type Verdict } from "./finding.ts";
import { fragmentsLost } from "./fragments_lost.ts";
import { fullQueue } from "./full_queue.ts";
import { fullReceiveBuffer } from "./full_receive_buffer.ts";
import { genericXdp } from "./generic_xdp.ts";
import { foreignSocket, hotSocket, unreadSocket } from "./group_member.ts";
import { ipInputErrors } from "./ip_input_errors.ts";
import { memoryCgroup } from "./memory_cgroup.ts";
import { nativeXdp } from "./native_xdp.ts";
import { netfilterQueue } from "./netfilter_queue.ts";
import { noListener } from "./no_listener.ts";
import { otherPorts } from "./other_ports.ts";
import { pauseFrames } from "./pause_frames.ts";
import { proxyRing } from "./proxy_ring.ts";
import { flowTableFull, newFlowBudget, noBackend, portsExhausted } from "./proxy_routing.ts";
import { receiveBufferClamped } from "./receive_buffer_clamped.ts";
import { reversePathFilter } from "./reverse_path_filter.ts";
import { ringNotEmptied, ringOverrun } from "./ring_overrun.ts";
import { deviceSend, neighbourMissing, noRoute, qdisc, sendBuffer } from "./sending.ts";
import { socketFilter } from "./socket_filter.ts";
import { softirqCpu } from "./softirq_cpu.ts";
import { tcRule } from "./tc_rule.ts";
import { timeSqueeze } from "./time_squeeze.ts";
import { trivialDeviceLoss } from "./trivial_device_loss.ts";
import { udpMemory } from "./udp_memory.ts";

/** Every verdict over two readings, in path order. */
export const VERDICTS: readonly Verdict[] = [
  cloudAllowance,
  ringOverrun,
  ringNotEmptied,
  devicePort,
  driverMemory,
  deviceCorruption,
  rxDropped,
  deviceUnknown,
  rxDroppedUntold,
  pauseFrames,
  trivialDeviceLoss,
  notOurs,
  nativeXdp,
  backlogOverflow,
  softirqCpu,
  timeSqueeze,
  tcRule,
  genericXdp,
  reversePathFilter,
  fragmentsLost,
  ipInputErrors,
  filterRule,
  conntrackFull,
  conntrackRace,
  netfilterQueue,
  conntrackPressure,
  conntrackInvalid,
  checksumTunnel,
  checksumErrors,
  noListener,
  socketFilter,
  udpMemory,
  memoryCgroup,
  foreignSocket,
  unreadSocket,
  hotSocket,
  consumptionMismatch,
  burst,
  receiveBufferClamped,
  fullReceiveBuffer,
  fullQueue,
  otherPorts,
  proxyRing,
  newFlowBudget,
  flowTableFull,
  portsExhausted,
  noBackend,
  noRoute,
  qdisc,
  sendBuffer,
  neighbourMissing,
  deviceSend,
  backendRefuses,
  backendSilent,
  unreachableAnswers,
];

const place = new Map<string, number>(HAND_OFFS.map(({ id }, index) => [id, index]));

/** What is found, in path order; of one hand-off first what loses most, then the order of the list. */
export function judgeMeasures(measures: Measures): Finding[] {
  const all = VERDICTS.flatMap((verdict) => findingsOf(verdict, measures));
  return all.sort((a, b) => place.get(a.handOff)! - place.get(b.handOff)! || lossOf(b) - lossOf(a));
}

const lossOf = ({ severity, datagrams }: Finding): number => (severity === "loss" ? (datagrams ?? 0) : -1);
