import { type DeviceLoss, deviceLoss } from "../path/device_loss.ts";
import type { CounterClass } from "../path/driver_counters.ts";
import type { LinkMeasure, Measures } from "../path/measures.ts";
import type { Found } from "./finding.ts";
import { isLoss } from "./gates.ts";

/** What devices lost by one class of their counters, beyond the gate; a bond's and a bridge's parts count for themselves. */
export function lossOnLinks(
  { links = [] }: Measures,
  means: CounterClass,
  found: (measure: LinkMeasure, loss: DeviceLoss) => Found | undefined,
): Found[] {
  return links.flatMap((measure) => {
    const loss = deviceLoss(measure, means);
    const arrived = arrivedAt(measure, loss);
    const one = isLoss(loss.datagrams, arrived) ? found(measure, loss) : undefined;
    return one === undefined ? [] : [{ arrived, ...one }];
  });
}

const arrivedAt = ({ received }: LinkMeasure, { datagrams }: DeviceLoss): number => (received ?? 0) + datagrams;

/** Ring and queues of a device, for advice. */
export function deviceFill({ link }: LinkMeasure): Record<string, string> {
  return {
    interface: link.name,
    ...(link.rings && { "ring-max": String(link.rings.rxMax) }),
    ...(link.channels && { "queues-max": String(link.channels.rxMax) }),
  };
}

export const nameOfInterface = ({ after }: Pick<Measures, "after">, index: number): string =>
  after.links?.find((link) => link.index === index)?.name ?? `interface ${index}`;
