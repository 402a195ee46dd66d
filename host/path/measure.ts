import { cpuMeasures } from "./cpus.ts";
import { ip4Measure, ip6Measure } from "./ip.ts";
import { linkMeasures } from "./links.ts";
import type { Measures } from "./measures.ts";
import { netfilterMeasure } from "./netfilter.ts";
import { offloadOf } from "./offload.ts";
import { sendMeasure } from "./send.ts";
import { socketMeasures } from "./sockets.ts";
import { udpMeasure, udpTotals } from "./udp.ts";
import { Comparison, type Window } from "./window.ts";

/** What changed within a window. Throws WindowError where its second reading is not later than the first. */
export function measure(window: Window): Measures {
  const { before, after, subject, proxy } = window;
  const comparison = new Comparison(window);
  const ip = { ip4: ip4Measure(window, comparison), ip6: ip6Measure(window, comparison) };
  const udp = {
    ip4: udpMeasure("Udp", [before.udp4, after.udp4], comparison),
    ip6: udpMeasure("Udp6", [before.udp6, after.udp6], comparison),
  };
  const offload = {
    ip4: offloadOf({ before: before.ip4Ext, after: after.ip4Ext }, ip.ip4, udp.ip4, comparison),
    ip6: offloadOf({ before: before.ip6, after: after.ip6 }, ip.ip6, udp.ip6, comparison),
  };
  const sockets = socketMeasures(window, comparison);
  return {
    subject,
    seconds: comparison.seconds,
    before,
    after,
    offload,
    links: linkMeasures(window, comparison),
    cpus: cpuMeasures(window, comparison),
    ip,
    netfilter: netfilterMeasure(window, comparison),
    udp,
    totals: udpTotals(udp, offload, sockets),
    sockets,
    send: sendMeasure(window, comparison),
    proxy,
    restarted: comparison.restarted,
  };
}
