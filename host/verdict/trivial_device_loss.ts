import { lostInDevice } from "../path/device_loss.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

export const trivialDeviceLoss: Verdict = {
  name: "trivial-device-loss",
  handOff: "1",
  remedy: ["Nothing has to be done: so few are lost wherever a network is"],
  inVain: [],
  find: ({ links = [] }) =>
    links.flatMap((measure) => {
      const lost = lostInDevice(measure);
      const arrived = (measure.received ?? 0) + lost;
      if (lost === 0 || isLoss(lost, arrived)) return [];
      return [
        {
          severity: "other",
          title: `${measure.link.name} lost very few datagrams`,
          datagrams: lost,
          arrived,
          proof: [`${measure.link.name}: ${count(lost)} of ${count(arrived)}, ${share(lost, arrived)}`],
        },
      ];
    }),
};
